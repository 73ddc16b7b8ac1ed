# docs: manual pages; kep.conf(5) is made from the table of the keys.
dist_man_MANS += docs/kepctl.1
nodist_man_MANS = docs/kep.conf.5
EXTRA_DIST += docs/conf.awk docs/kep.conf.5.in docs/ask-protocol.md
CLEANFILES += docs/kep.conf.5

docs/kep.conf.5: libkep/conf.def docs/conf.awk docs/kep.conf.5.in Makefile
	$(AM_V_GEN)$(MKDIR_P) docs && $(AWK) -v sysconfdir='$(sysconfdir)' -v sqldir='$(kepsqldir)' \
		-f $(srcdir)/docs/conf.awk $(srcdir)/libkep/conf.def $(srcdir)/docs/kep.conf.5.in >$@.tmp && mv $@.tmp $@
