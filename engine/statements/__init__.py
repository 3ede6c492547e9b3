"""Reading institutions' statement files 对账单: pure, streaming, whole or not at all."""
