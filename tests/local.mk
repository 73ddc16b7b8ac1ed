# tests: units (cmocka), golden conversations, sql (pgTAP), e2e (pytest over a private Postfix), bench.
