# kepctl: the operator's and the auditor's hand; one file a command group.
bin_PROGRAMS += kepctl/kepctl
KEPCTL_PARTS = \
	kepctl/ctl.c kepctl/ctl.h kepctl/commands.def kepctl/options.def \
	kepctl/table.c kepctl/table.h kepctl/paint.c kepctl/paint.h kepctl/list.c kepctl/list.h \
	kepctl/migration.c kepctl/migration.h kepctl/peer.c kepctl/peer.h kepctl/moment.c kepctl/moment.h \
	kepctl/life.c kepctl/life.h kepctl/process.c kepctl/process.h kepctl/dial.c kepctl/dial.h \
	kepctl/audit.c kepctl/audit.h kepctl/audit.def kepctl/progress.c kepctl/progress.h \
	kepctl/finding.c kepctl/finding.h kepctl/postconf.c kepctl/postconf.h \
	kepctl/setting.c kepctl/setting.h kepctl/settings.def kepctl/wiring.c kepctl/wiring.h kepctl/ways.c kepctl/ways.h
kepctl_kepctl_SOURCES = kepctl/main.c $(KEPCTL_PARTS) \
	kepctl/db.c kepctl/domain.c kepctl/provider.c kepctl/account.c kepctl/pin.c kepctl/hold.c kepctl/prune.c kepctl/ledger.c kepctl/show.c kepctl/check.c kepctl/stamped.c kepctl/stamped.h \
	kepctl/verify.c kepctl/fsck.c kepctl/survey.c kepctl/survey.h kepctl/heads.c kepctl/heads.h kepctl/shelf.c kepctl/shelf.h \
	kepctl/renew.c kepctl/record.c kepctl/record.h kepctl/extract.c kepctl/volume.c kepctl/volume.h kepctl/crown.c kepctl/crown.h kepctl/stock.c kepctl/stock.h kepctl/authority.c kepctl/authority.h \
	kepctl/witnesses.c kepctl/witnesses.h kepctl/export.c kepctl/crate.c kepctl/crate.h \
	kepctl/trust.c kepctl/staple.c kepctl/staple.h kepctl/fetched.c kepctl/fetched.h kepctl/fetch.c kepctl/fetch.h
kepctl_kepctl_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
kepctl_kepctl_LDADD = $(KEP_SQL_LIBS) $(KEP_LIBS) $(CURL_LIBS)
