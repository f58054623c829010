"""Whose certificates are trusted."""

import ssl
from urllib.parse import urlsplit

import httpx


def verification(url: str) -> ssl.SSLContext | bool:
    """Return what an HTTP client takes as `verify` for servers at `url`.

    Trusted are Mozilla's certificates and the system's; `SSL_CERT_FILE` and `SSL_CERT_DIR`, OpenSSL's own variables, name those
    of an authority of one's own. For plain addresses none are read: that takes longer than all else at the start.
    """
    if urlsplit(url).scheme != "https":
        return False
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
