# packaging: what an administrator pastes and a packager installs.
kepexampledir = $(docdir)/examples
dist_kepexample_DATA = packaging/kep.conf.sample
keppostfixdir = $(kepexampledir)/postfix
dist_keppostfix_DATA = packaging/postfix/main.cf packaging/postfix/master.cf packaging/postfix/kep_transport
kepdovecotdir = $(kepexampledir)/dovecot
dist_kepdovecot_DATA = packaging/dovecot/kep.conf
kepsystemddir = $(kepexampledir)/systemd
dist_kepsystemd_DATA = packaging/systemd/kep.sysusers packaging/systemd/kep.tmpfiles
KEP_UNITS = packaging/systemd/kep-milter.service packaging/systemd/kep-policyd.service packaging/systemd/kep-trust.service packaging/systemd/kep-renew.service
KEP_TIMERS = packaging/systemd/kep-trust.timer packaging/systemd/kep-renew.timer
EXTRA_DIST += packaging/systemd/kep-milter.service.in packaging/systemd/kep-policyd.service.in packaging/systemd/kep-trust.service.in \
	packaging/systemd/kep-renew.service.in $(KEP_TIMERS)
CLEANFILES += $(KEP_UNITS)

# ./configure --with-systemdsystemunitdir=DIR installs the units there, else they are examples.
if HAVE_SYSTEMD
systemdsystemunit_DATA = $(KEP_UNITS) $(KEP_TIMERS)
else
nodist_kepsystemd_DATA = $(KEP_UNITS) $(KEP_TIMERS)
endif

packaging/systemd/kep-%.service: packaging/systemd/kep-%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging/systemd && sed 's|[@]sbindir[@]|$(sbindir)|g; s|[@]bindir[@]|$(bindir)|g' $(srcdir)/packaging/systemd/kep-$*.service.in >$@
