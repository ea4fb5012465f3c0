"""What Slack waits for at the worst: a fresh process that takes one signed call, as Lambda sees the built artifact (needs `make build`).

The function has one whole processor (template.yaml), so that CPU time is its own time. AWS is answered at once, inside of the process: what
its three calls take comes on top.
"""

import resource
import statistics
import tempfile
from pathlib import Path
from typing import Final

from bench.runner import Extent, Row, run, say
from local import artifact

_MOST_MS: Final = 1000
_RECEIVE: Final = """
import hashlib, hmac, json, os, time, urllib.parse
os.environ |= {"SLACK_SIGNING_SECRET": "arn:aws:secretsmanager:us-east-1:111122223333:secret:s", "SLACK_TEAMS": "T0ACME"}
os.environ |= {"SLACK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/line.fifo"}
import handler
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

ANSWERS = {"GetSecretValue": {"SecretString": "secret"}, "PutItem": {}, "SendMessage": {"MessageId": "1", "SequenceNumber": "1"}}
asked = []

class Raw:
    def __init__(self, body): self._body = body
    def stream(self, **_): yield self._body

def send(_self, request):
    target = request.headers["X-Amz-Target"]
    name = (target if isinstance(target, str) else target.decode()).rpartition(".")[2]
    asked.append(name)
    return AWSResponse(request.url, 200, {}, Raw(json.dumps(ANSWERS[name]).encode()))

URLLib3Session.send = send
payload = {"type": "block_actions", "user": {"id": "U0ANN", "team_id": "T0ACME"}, "team": {"id": "T0ACME"}, "trigger_id": "1.2",
           "response_url": "https://hooks.slack.com/x", "actions": [{"type": "button", "action_id": "apply", "value": "dw-1/a"}]}
body, timestamp = urllib.parse.urlencode({"payload": json.dumps(payload)}), str(int(time.time()))
signature = "v0=" + hmac.new(b"secret", f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": timestamp}
answer = handler.handler({"resource": "/slack/interactions", "headers": headers, "body": body}, None)
assert (answer["statusCode"], asked) == (200, list(ANSWERS)), (answer, asked)
"""


def measure(extent: Extent) -> list[Row]:
    milliseconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        command, environment = artifact.command("ReceiveSlackFunction", _RECEIVE, Path(folder))
        for number in range(extent.starts + 1):
            say(f"start {number} of {extent.starts}")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run(command, environment=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if number:  # the first fills the file cache
                milliseconds.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3)
    say("")
    print(f"  {extent.starts} starts: {min(milliseconds):.0f} to {max(milliseconds):.0f} ms of CPU, interpreter included")
    return [Row("a call of Slack's taken by a fresh process: CPU", statistics.median(milliseconds), "ms", _MOST_MS, is_floor=False)]
