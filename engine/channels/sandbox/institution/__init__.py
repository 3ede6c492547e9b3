"""The sandbox institution (沙箱机构): an outside bank, wallet and card acquirer played by its own process.

It imports nothing of the platform but the shared codec, and knows the platform only by what is sent to it.
"""
