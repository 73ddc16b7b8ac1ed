/* kepctl - the operator's and the auditor's hand.  This file reads the command line and finds the command. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "config.h"
#include "kepctl/ctl.h"

#define BIT(option) (1u << CTL_##option)

static const struct command {
	const char  *group, *name;
	ctl_command *run;
	const char  *words;
	int          fewest, most;
	unsigned     takes, needs;
	bool         reads;
	const char  *help;
} commands[] = {
#define COMMAND(group, name, function, ...) { group, name, command_##function, __VA_ARGS__ },
#include "kepctl/commands.def"
#undef COMMAND
};

static const struct option_row {
	const char *name, *placeholder;
	bool        repeats;
	const char *help;
} options[] = {
#define OPTION(name, text, placeholder, repeats, help) { text, placeholder, repeats, help },
#include "kepctl/options.def"
#undef OPTION
};
_Static_assert(COUNT_OF(options) == CTL_OPTIONS && CTL_OPTIONS < 32, "a row of options.def is a bit");

enum { OPT_JSON = 256, OPT_FIRST };

static void print_command(FILE *out, const struct command *k)
{
	fprintf(out, "  %s%s%s%s%s", k->group, *k->name ? " " : "", k->name, *k->words ? " " : "", k->words);
	for (size_t i = 0; i < CTL_OPTIONS; i++)
		if (k->takes & 1u << i) {
			bool needed = k->needs & 1u << i;

			fprintf(out, " %s--%s %s%s%s", needed ? "" : "[", options[i].name, options[i].placeholder, needed ? "" : "]",
			        options[i].repeats ? "..." : "");
		}
	fprintf(out, "\n        %s\n", k->help);
}

static int help(void)
{
	puts("usage: kepctl [-c FILE] [-o KEY=VALUE]... [--json] COMMAND [WORD] [OPTION]...\n\ncommands:");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		print_command(stdout, &commands[i]);
	puts("\noptions of every command:\n"
	     "  -c FILE        read this configuration (default: " KEP_SYSCONFDIR "/kep/kep.conf)\n"
	     "  -o KEY=VALUE   set one key of it\n"
	     "  --json         print JSON (commands that read)\n"
	     "  -V, --version  print the version\n"
	     "  -h, --help     print this\n"
	     "\noptions of some:");
	for (size_t i = 0; i < CTL_OPTIONS; i++)
		printf("  --%s %s\n        %s\n", options[i].name, options[i].placeholder, options[i].help);
	puts("\nExit status: 0 done, else as in sysexits(3); check: 0 well, 1 warnings, 2 something is wrong;\n"
	     "verify, fsck: 0 genuine, 1 not.");
	return EX_OK;
}

/* What the command line said, before the command runs. */
struct line {
	const char  *file;
	const char **set;               /* of -o, in order */
	size_t       n_set;
	int          status;            /* EX_OK: go on */
	bool         over;              /* --help or --version were all */
	struct ctl   ctl;
};

static void take_option(struct line *l, int which, const char *value)
{
	struct buf *b = &l->ctl.value[which];

	if (l->ctl.given[which] && !options[which].repeats)
		l->status = ctl_fail(EX_USAGE, "--%s stands twice; keep one", options[which].name);
	if (l->ctl.given[which])
		buf_addc(b, ',');
	buf_adds(b, value);
	l->ctl.given[which] = true;
}

static void take(struct line *l, int c)
{
	switch (c) {
	case 'c':
		l->file = optarg;
		break;
	case 'o':
		l->set[l->n_set++] = optarg;
		break;
	case 'V':
		puts("kepctl " PACKAGE_VERSION);
		l->over = true;
		break;
	case 'h':
		l->status = help();
		l->over = true;
		break;
	case OPT_JSON:
		l->ctl.json = true;
		break;
	case '?':
		l->status = ctl_fail(EX_USAGE, "'kepctl --help' lists commands and options");
		break;
	default:
		take_option(l, c - OPT_FIRST, optarg);
	}
}

static void read_line(struct line *l, int argc, char **argv)
{
	struct option table[CTL_OPTIONS + 4] = {
		{ "json", no_argument, NULL, OPT_JSON }, { "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' },
	};
	int c;

	for (int i = 0; i < CTL_OPTIONS; i++)
		table[3 + i] = (struct option){ options[i].name, required_argument, NULL, OPT_FIRST + i };
	l->set = calloc((size_t)argc, sizeof *l->set);
	while (l->set && l->status == EX_OK && !l->over && (c = getopt_long(argc, argv, "c:o:Vh", table, NULL)) != -1)
		take(l, c);
	l->ctl.words = argv + optind;
}

/* The command the words begin with; the words behind it stay in *words. */
static const struct command *find(char ***words)
{
	char **w = *words;

	for (size_t i = 0; w[0] && i < COUNT_OF(commands); i++) {
		const struct command *k = &commands[i];

		if (strcmp(w[0], k->group) != 0)
			continue;
		if (*k->name && !(w[1] && strcmp(w[1], k->name) == 0))
			continue;
		*words += *k->name ? 2 : 1;
		return k;
	}
	return NULL;
}

static int complain_unknown(char **words)
{
	bool group = false;

	if (!words[0])
		return ctl_fail(EX_USAGE, "no command; 'kepctl --help' lists them");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(words[0], commands[i].group) == 0) {
			if (!group && words[1])
				ctl_fail(0, "'%s %s' is no command; there are:", words[0], words[1]);
			else if (!group)
				ctl_fail(0, "'%s' wants one more word:", words[0]);
			group = true;
			print_command(stderr, &commands[i]);
		}
	return group ? EX_USAGE : ctl_fail(EX_USAGE, "'%s' is no command; 'kepctl --help' lists them", words[0]);
}

static int complain_usage(const struct command *k, const char *dashes, const char *what, const char *why)
{
	ctl_fail(0, "%s%s %s:", dashes, what, why);
	print_command(stderr, k);
	return EX_USAGE;
}

static int fits(const struct command *k, const struct ctl *c)
{
	int n = 0;

	while (c->words[n])
		n++;
	if (n < k->fewest)
		return complain_usage(k, "", k->words, "is missing");
	if (n > k->most)
		return complain_usage(k, "", c->words[k->most], "is one word too many");
	if (c->json && !k->reads)
		return complain_usage(k, "--", "json", "is for commands that read, not for this one");
	for (size_t i = 0; i < CTL_OPTIONS; i++) {
		if (c->given[i] && !(k->takes & 1u << i))
			return complain_usage(k, "--", options[i].name, "does not belong to this command");
		if (!c->given[i] && k->needs & 1u << i)
			return complain_usage(k, "--", options[i].name, "is missing");
	}
	return EX_OK;
}

/* What needs no configuration, so that it runs where postkep never was: on the desk of a stranger. */
static bool runs_anywhere(const struct command *k)
{
	return k->run == command_verify;
}

/* A configuration that cannot be read ends every command but check, whose first finding it is. */
static int run(const struct command *k, struct line *l)
{
	struct buf error = BUF_INIT;
	struct conf conf;
	bool ok;
	int status;

	conf_init(&conf);
	ok = runs_anywhere(k) || conf_read(&conf, l->file, &error);
	for (size_t i = 0; ok && i < l->n_set; i++)
		ok = conf_set(&conf, l->set[i], &error);
	l->ctl.conf = &conf;
	l->ctl.file = l->file;
	l->ctl.conf_error = ok ? NULL : buf_str(&error);
	if (ok || k->run == command_check)
		status = k->run(&l->ctl);
	else
		status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	conf_release(&conf);
	buf_release(&error);
	return status;
}

int main(int argc, char **argv)
{
	struct line l = { .file = KEP_SYSCONFDIR "/kep/kep.conf" };
	const struct command *k;

	read_line(&l, argc, argv);
	if (l.status == EX_OK && !l.over) {
		k = find(&l.ctl.words);
		l.status = k ? fits(k, &l.ctl) : complain_unknown(l.ctl.words);
		if (l.status == EX_OK)
			l.status = run(k, &l);
	}
	for (size_t i = 0; i < CTL_OPTIONS; i++)
		buf_release(&l.ctl.value[i]);
	free(l.set);
	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_fail(EX_IOERR, "standard output could not be written");
	return l.status;
}
