# sql: the schema, and the only C that speaks libpq.
kepsqldir = $(pkgdatadir)/sql
dist_kepsql_DATA = \
	sql/migrations/0001_base.sql sql/migrations/0002_directory.sql sql/migrations/0003_attempt.sql \
	sql/migrations/0004_message.sql sql/migrations/0005_evidence.sql sql/migrations/0006_hop.sql \
	sql/migrations/0007_audit.sql sql/migrations/0008_signer.sql sql/migrations/0009_ledger.sql \
	sql/migrations/0010_retention.sql sql/migrations/0011_archive.sql sql/migrations/0012_hop.sql

noinst_LIBRARIES += sql/libkepsql.a
sql_libkepsql_a_SOURCES = sql/pg.c sql/pg.h sql/pipeline.c sql/pipeline.h sql/question.c sql/question.h sql/schema.h sql/value.c
sql_libkepsql_a_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS)
# Programs that ask the database link this first: sql stands above libkep.
KEP_SQL_LIBS = sql/libkepsql.a $(PQ_LIBS)
