/* survey.h - one pass over the leaves of the ledger: everything that follows from
 * the stored evidence is computed again and held against what is written down. */
#ifndef KEP_SURVEY_H
#define KEP_SURVEY_H

#include "kepctl/audit.h"
#include "kepctl/ctl.h"
#include "kepctl/heads.h"
#include "kepctl/shelf.h"
#include "libkep/clock.h"

struct survey {
	const struct ctl   *ctl;
	struct db          *db;         /* streams; heads and shelf ask another one */
	struct audit       *audit;
	struct heads       *heads;
	struct shelf       *shelf;
	uint64_t            size;       /* leaves, as the head said at the beginning */
	struct merkle_hash  root;       /* of them, as the head says */
	struct merkle_range range;      /* of the leaves that went by */
	uint64_t            pruned;     /* evidence that was removed after its retention */
	usec                cpu, wall;  /* that the pass took of this process, and of the clock */
	int                 status;     /* EX_OK, or the exit status after it was said what went wrong */
};

/* Read the head, stream the leaves below its size, and what has to be seen once they are known. */
void survey_run(struct survey *s);

#endif
