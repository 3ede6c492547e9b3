"""Secrets at rest: Fernet with rotation. The newest key encrypts, every listed key decrypts."""

from __future__ import annotations

from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


@lru_cache(maxsize=4)
def _fernet(keys: str) -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in keys.split(",")])


def encrypt_text(plain: str) -> str:
    """Encrypt a secret for a text column."""
    return _fernet(settings.FIELD_ENCRYPTION_KEY).encrypt(plain.encode()).decode()


def decrypt_text(stored: str) -> str:
    """Decrypt what ``encrypt_text`` made. Raises cryptography.fernet.InvalidToken under a foreign key."""
    return _fernet(settings.FIELD_ENCRYPTION_KEY).decrypt(stored.encode()).decode()
