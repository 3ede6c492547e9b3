"""The operators' floor 运营后台: audit log, admin base classes, database grants."""
