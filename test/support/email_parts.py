"""Takes multipart answers apart with Python's email package, which knows nothing of DICOM, and says what was in them."""
import email.parser
import email.policy
import hashlib
import json
import sys
import urllib.request

url, accept = sys.argv[1:3]
with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept})) as response:
    head = b"Content-Type: " + response.headers["Content-Type"].encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + response.read())
assert message.is_multipart() and not message.defects, message.defects
for part in message.iter_parts():
    assert not part.defects, part.defects
    body = part.get_payload(decode=True)
    print(json.dumps([part["Content-Type"], part["Content-Location"], len(body), hashlib.sha256(body).hexdigest()]))
