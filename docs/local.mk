# docs: manual pages; kep.conf(5) and kep-reasons(7) are made from the tables.
dist_man_MANS += docs/kepctl.1
nodist_man_MANS = docs/kep.conf.5 docs/kep-reasons.7
EXTRA_DIST += docs/conf.awk docs/kep.conf.5.in docs/reason.awk docs/kep-reasons.7.in docs/ask-protocol.md docs/evidence-format.md docs/security.md
CLEANFILES += docs/kep.conf.5 docs/kep-reasons.7

docs/kep.conf.5: libkep/conf.def docs/conf.awk docs/kep.conf.5.in Makefile
	$(AM_V_GEN)$(MKDIR_P) docs && $(AWK) -v sysconfdir='$(sysconfdir)' -v sqldir='$(kepsqldir)' \
		-f $(srcdir)/docs/conf.awk $(srcdir)/libkep/conf.def $(srcdir)/docs/kep.conf.5.in >$@.tmp && mv $@.tmp $@

docs/kep-reasons.7: libkep/reason.def docs/reason.awk docs/kep-reasons.7.in
	$(AM_V_GEN)$(MKDIR_P) docs && $(AWK) -f $(srcdir)/docs/reason.awk $(srcdir)/libkep/reason.def $(srcdir)/docs/kep-reasons.7.in >$@.tmp && mv $@.tmp $@
