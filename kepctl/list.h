/* list.h - what a query says, as a table or as JSON. */
#ifndef KEP_LIST_H
#define KEP_LIST_H

#include "kepctl/ctl.h"
#include "kepctl/table.h"

/* The query's columns are the table's, in order; `empty` is printed in place of
 * a table without rows.  An exit status. */
int list_query(const struct ctl *c, const char *conninfo, const char *sql,
               const struct table_column *columns, size_t width, const char *empty);

#endif
