"""HTTP edge of checkout: the payer's pages and the merchant calls that pay."""
