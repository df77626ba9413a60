"""Prints what Python's email-validator says about odd addresses, as crates/doorward/tests/vectors/email_verdicts.tsv.

Made once, by hand:

    pip install email-validator==2.4.0
    python3 scripts/interop/make_email_verdicts.py > crates/doorward/tests/vectors/email_verdicts.tsv

Addresses come in groups; the name of a group is the reason why Doorward decides otherwise, empty when it does not.
"""

import json
from importlib.metadata import version

from email_validator import EmailNotValidError, validate_email

ADDRESSES = {
    "": [
        "ada@example.com", "  ada@example.com\t", "Ada.Lovelace+engine@Mail.Example.COM", "1@e.co", "a@b.c",
        "a!#$%&'*+-/=?^_`{|}~z@example.com", "jos\u00e9@example.com", "jose\u0301@example.com", "\u7528\u6237@example.com",
        "ada@b\u00fccher.example", "ada@XN--BCHER-KVA.example", "ada@fa\u00df.de", "ada@\u4f8b\u3048\u3002com",
        "ada@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0ecom", "ada@example.org", "ada@a.example", "ada@corp.internal",
        "ada@3com.com", "ada@test.com", "\u0436\u0443\u043a@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
        "\U0001f600@example.com", "\u0e19\u0e49\u0e33@example.com", "a-@example.com", "-a@example.com", "a@x-y.com",
        "\u0131an@example.com", "\u0430da@example.com", "a\u2800b@example.com", "a\u1fefb@example.com",
        "", " ", "ada", "ada.example.com", "ada\uff20example.com", "ada\ufe6bexample.com", "ada at example.com", "\u0000",
        "ada@@example.com", "ada@evil.com@example.com", "ada@x.com,bob@y.com", "ada@x.com;bob@y.com", "ada@x.com bob@y.com",
        "@example.com", "ada@", "@", "\"ada\"@example.com", "\"\"@example.com", "\"Ada\" <ada@example.com>", "Ada <ada@example.com>",
        "<script>alert(1)</script>@example.com", "a da@example.com", "ada @example.com", "ada\\@example.com",
        "a,b@example.com", "a;b@example.com", "a\u037eb@example.com", "a:b@example.com", "(comment)ada@example.com",
        "a\"b@example.com", "a\u0000da@example.com", "a\nda@example.com", "a\rda@example.com", "a\tda@example.com",
        "a\u007fda@example.com", "a\u0085da@example.com", "a\u00a0da@example.com", "a\u00adda@example.com",
        "a\u200bda@example.com", "a\u200dda@example.com", "a\u2028da@example.com", "a\u2029da@example.com",
        "a\u202eda@example.com", "a\u2066da@example.com", "a\ufeffda@example.com", "\ufeffada@example.com",
        "a\u3000da@example.com", "a\ue000da@example.com", "a\u0378da@example.com", "a\ufffeda@example.com",
        "a\U000e0061da@example.com", ".ada@example.com", "ada.@example.com", "a..da@example.com", ".@example.com",
        "\u0301ada@example.com", "ada@[127.0.0.1]", "ada@[IPv6:::1]", "ada@[", "ada@127.0.0.1", "ada@127.1", "ada@0x7f.0x1",
        "ada@::1", "ada@localhost", "ada@com", "ada@mail.localhost", "ada@example.test", "ada@EXAMPLE.TEST",
        "ada@example.\uff54\uff45\uff53\uff54", "ada@a.invalid", "ada@mac.local", "ada@abc.onion", "ada@1.in-addr.arpa",
        "ada@example.com\r\nBcc: bob", "ada@exa mple.com", "ada@ example.com", "ada@example.com\u0000",
        "ada@exam\u200bple.com", "ada@example.com\u202e", "ada@exam\u00adple.com", "ada@example..com", "ada@.example.com",
        "ada@example.com.", "ada@-example.com", "ada@example-.com", "ada@ab--cd.com", "ada@exa_mple.com",
        "ada@example.com>", "ada@example.com,bob", "ada@example.com:25", "ada@example.com/x", "ada@example.com(comment)",
        "ada@exa'mple.com", "ada@xn--a.com", "ada@xn--.com", "ada@\u0301x.com", "ada@\u2488com", "ada@1.xn--4dbc.com",
        "ada@%65xample.com", "ada@" + "a" * 64 + ".com", "ada@" + "a" * 63 + ".com", "x" * 64 + "@example.com",
        "x@" + ("a" * 60 + ".") * 4 + "abcdefg.com", "x@" + ("a" * 60 + ".") * 4 + "abcdef.com",
    ],
    "the local part has more than 64 bytes (RFC 5321, 4.5.3.1.1)": ["x" * 65 + "@example.com", "\u00e9" * 33 + "@example.com"],
    "a compatibility character that looks like another address": [
        "\uff41\uff44\uff41@example.com", "\ufb01n@example.com", "x\u00b2@example.com", "a\uff20b@example.com",
        "\u017fam@example.com", "a\u2024b@example.com",
    ],
    "invisible although Unicode calls it a letter or a mark": [
        "a\u115fda@example.com", "a\u3164da@example.com", "a\u034fda@example.com", "\u2764\ufe0f@example.com",
        "ada@exam\ufe0fple.com",
    ],
    "a combining character on a period": ["ada.\u0301b@example.com"],
    "no top-level domain mixes letters and digits": ["ada@example.c0m"],
    "a domain of UTS #46 that IDNA 2008 does not have": ["ada@\u2665.com"],
}


def verdict(address: str) -> str:
    try:
        validate_email(address.strip(), check_deliverability=False)  # as Pydantic's EmailStr calls it
    except EmailNotValidError:
        return "refused"
    return "accepted"


print(f"# email-validator {version('email-validator')} on odd addresses: address (JSON), verdict, why Doorward's differs.")
print("# Made by scripts/interop/make_email_verdicts.py on 2026-11-23; do not edit.")
for difference, addresses in ADDRESSES.items():
    for address in addresses:
        print(json.dumps(address), verdict(address), difference, sep="\t")
