"""The corpus of places that a webhook must never reach, in every spelling (reliability: H01, H04)."""

from __future__ import annotations

INSIDE_ADDRESSES = """
0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255
127.0.0.1 127.0.0.53 127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:8.8.8.8
::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1
2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::
2002:a9fe:a9fe::1 2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254 fdff::1
fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff02::fb ff0e::1
""".split()  # noqa: SIM905 - a long list, easier to read so

PUBLIC_ADDRESSES = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
169.253.255.255 172.15.255.255 172.32.0.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1
223.255.255.255 2001:200::1 2400:3200::1 2606:4700::1111 2a00:1450::1 3ffe::1
""".split()  # noqa: SIM905 - a long list, easier to read so

REFUSED_URLS = [
    # other spellings of addresses that a resolver would understand
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0X7F.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.000.000.001/",
    "https://127.0.0.1./",
    "https://10.1/",
    "https://3232235521/",
    "https://0xa9fea9fe/",
    "https://169.254.43518/",
    "https://0/",
    "https://0x/",
    "https://1.2.3/",
    "https://8.8.8.8.8/",
    "https://256.1.1.1/",
    "https://08.8.8.8/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://１２７.0.0.1/",
    "https://[::1%25lo]/",
    "https://[::1%lo]/",
    "https://[fe80::1%25eth0]/",
    "https://[::ffff:127.1]/",
    "https://[v1.fe80::a]/",
    "https://[]/",
    "https://[::1/",
    "https://::1/",
    "https://2606:4700::1111/",
    # names of the inside
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST/",
    "https://localhost.localdomain/",
    "https://shop.localhost/",
    "https://shop.localhost./",
    "https://metadata/",
    "https://redis/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://router.lan/",
    "https://nas.home/",
    "https://nas.home.arpa/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://wiki.corp/",
    "https://hidden.onion/",
    # other schemes
    "http://shop.example.com/",
    "http://8.8.8.8/",
    "ftp://shop.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "javascript:alert(1)",
    "data:text/plain,x",
    "//shop.example.com/",
    "shop.example.com/notify",
    "https:/shop.example.com/",
    "https:shop.example.com",
    "https://",
    "https:///notify",
    "",
    # other ports
    "https://shop.example.com:22/",
    "https://shop.example.com:25/",
    "https://shop.example.com:80/",
    "https://shop.example.com:5432/",
    "https://shop.example.com:6379/",
    "https://shop.example.com:0/",
    "https://shop.example.com:65536/",
    "https://shop.example.com:99999/",
    "https://shop.example.com:/",
    "https://shop.example.com:443:443/",
    "https://shop.example.com:-1/",
    "https://shop.example.com:4٤3/",
    # two readers, two hosts
    "https://user@shop.example.com/",
    "https://user:secret@shop.example.com/",
    "https://shop.example.com@127.0.0.1/",
    "https://shop.example.com%40127.0.0.1/",
    "https://shop.example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://127.0.0.1%2f.example.com/",
    "https://127.0.0.1#.example.com/",
    "https://shop.example.com#@127.0.0.1/",
    "https://127.0.0.1%00.example.com/",
    "https://127.0.0.1\x00.example.com/",
    "https://shop.example.com/\r\nHost: inside",
    "https://shop.example.com\r\n/",
    "https://shop.example.com/a\nb",
    "https://shop.example.com/\tx",
    " https://shop.example.com/",
    "https://shop.example.com/ ",
    "https://shop.example.com/a b",
    "https://shop.example.com/%",
    "https://shop.example.com/%zz",
    "https://shop..example.com/",
    "https://.example.com/",
    "https://shop.example.com./",
    "https://-shop.example.com/",
    "https://*.example.com/",
    "https://商户.example.com/",
    "https://shop.example.com/通知",
    "https://" + "a" * 64 + ".example.com/",
    "https://shop.example.com/" + "a" * 2048,
]

ALLOWED_URLS = {
    "https://shop.example.com": ("shop.example.com", 443, "/"),
    "https://shop.example.com/notify?order=1&x=%E4%B8%AD": (
        "shop.example.com",
        443,
        "/notify?order=1&x=%E4%B8%AD",
    ),
    "HTTPS://Shop.Example.COM:8443/A": ("shop.example.com", 8443, "/A"),
    "https://shop.example.com?x=1": ("shop.example.com", 443, "/?x=1"),
    "https://xn--fiq228c.example/": ("xn--fiq228c.example", 443, "/"),
    "https://8.8.8.8/": ("8.8.8.8", 443, "/"),
    "https://[2606:4700:0:0::1111]/": ("2606:4700::1111", 443, "/"),
    "https://127.0.0.1.example.com/": ("127.0.0.1.example.com", 443, "/"),
}


def url_of(address: str) -> str:
    """The address as the host of a URL."""
    return f"https://[{address}]/" if ":" in address else f"https://{address}/"
