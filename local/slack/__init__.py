"""A local stand-in for Slack: takes what an app posts, shows it as Slack does, and tells the app what people do with it.

Built from Slack's public pages, with the refusals that matter to an app that never saw the real one. Tokens are looked at and not kept.
`sink` is its face for programs, `page` the one for people.
"""

from local.slack.model import Modal, SlackMessage
from local.slack.requests import Reply
from local.slack.sink import SlackSink

__all__ = ["Modal", "Reply", "SlackMessage", "SlackSink"]
