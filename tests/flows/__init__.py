"""What merchants, payers and channels see, over HTTP, on real processes."""
