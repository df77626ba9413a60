"""Enables a second factor on a running server as a person does, with other people's software for the phone.

zxing-cpp reads the QR code off the SVG, pyotp takes the URI in and shows the codes. The server's address is the only
argument. Exit status 1 and the first disagreement when there is one.
"""

import json
import re
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

import numpy
import pyotp
import zxingcpp

BASE = sys.argv[1]
PERIOD = 30
EMAIL, PASSWORD = "Ada+x@example.com", "correct horse battery staple"
SVG = "{http://www.w3.org/2000/svg}"


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"interop: {what}")


def ask(method: str, path: str, body: dict | None = None, token: str | None = None) -> tuple[int, dict]:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read() or b"{}")


def painted(svg: str) -> numpy.ndarray:
    """The image: a white ground and black rectangles, as a browser would paint them."""
    root = ElementTree.fromstring(svg)
    expect({element.tag for element in root} == {f"{SVG}rect", f"{SVG}path"}, "the SVG has more than shapes")
    image = numpy.full((int(root.get("height")), int(root.get("width"))), 255, dtype=numpy.uint8)
    path = root.find(f"{SVG}path").get("d")
    pattern = r"M(\d+) (\d+)h(\d+)v(\d+)H\d+V\d+"
    expect(re.sub(pattern, "", path) == "", "the path has more than rectangles")
    for left, top, width, height in (map(int, found) for found in re.findall(pattern, path)):
        image[top : top + height, left : left + width] = 0
    return image


def read_qr(svg: str) -> str:
    found = zxingcpp.read_barcodes(painted(svg))
    expect(len(found) == 1, f"the decoder sees {len(found)} codes")
    return found[0].text


def early_in_a_period() -> float:
    """A moment with most of its period left, so that no code grows old on its way."""
    left = PERIOD - time.time() % PERIOD
    if left < 10:
        time.sleep(left + 0.1)
    return time.time()


def log_in(code: str) -> int:
    status, refusal = ask("POST", "/auth/login", {"email": EMAIL, "password": PASSWORD})
    expect((status, refusal.get("code")) == (403, "AUTH_SECOND_FACTOR_REQUIRED"), f"the first step answers {refusal}")
    status, _ = ask("POST", "/auth/login/second-factor", {"challenge": refusal["challenge"], "code": code})
    return status


def main() -> None:
    status, tokens = ask("POST", "/auth/register", {"email": EMAIL, "password": PASSWORD})
    expect(status == 201, f"registration answers {status}")
    token = tokens["access_token"]
    status, enrolment = ask("POST", "/auth/totp", {"password": PASSWORD}, token)
    expect(status == 200, f"enrolment answers {status}")
    uri = read_qr(enrolment["qr_svg"])
    expect(uri == enrolment["uri"], "the QR code and the URI differ")
    phone = pyotp.parse_uri(uri)
    expect(isinstance(phone, pyotp.TOTP), "pyotp takes the URI for something else")
    expect((phone.digits, phone.interval, phone.digest().name) == (6, PERIOD, "sha1"), "pyotp reads other parameters")
    expect((phone.name, phone.issuer) == (EMAIL, "Doorward"), f"pyotp reads {phone.issuer}: {phone.name}")
    expect(phone.secret == enrolment["secret"], "pyotp reads another secret")

    now = early_in_a_period()
    confirmation = {"enrolment": enrolment["enrolment"], "code": phone.at(now - PERIOD)}
    status, codes = ask("POST", "/auth/totp/confirm", confirmation, token)
    expect(status == 200, f"the first code of pyotp is refused: {codes}")
    expect(log_in(phone.at(now - PERIOD)) == 401, "a used code is taken again")
    expect(log_in(phone.at(now)) == 200, "the present code of pyotp is refused")
    expect(log_in(phone.at(now)) == 401, "a used code is taken again")
    expect(log_in(phone.at(now + PERIOD)) == 200, "the next code of pyotp is refused")
    expect(log_in(phone.at(now + 3 * PERIOD)) == 401, "a code from far ahead is taken")
    expect(log_in(codes["recovery_codes"][0]) == 200, "a recovery code is refused")
    print("interop: a second factor enabled and used with zxing-cpp and pyotp")


main()
