"""What people may do under a role that is for people: each action is one that a page tells them how to use.

What Doorward's own roles may do is held against what Doorward does: tests/integration/test_least_privilege.py.
"""

from tests.template.conftest import REPOSITORY, TEMPLATES, as_list, parsed, resources_of, statements_of

OF_PEOPLE = {
    # docs/evidence.md says what an auditor does with each.
    "cloudformation:DescribeStackResource": "AuditorRole",
    "dynamodb:Query": "AuditorRole",
    "dynamodb:Scan": "AuditorRole",
    "kms:GetPublicKey": "AuditorRole",
    "s3:GetBucketObjectLockConfiguration": "AuditorRole",
    "s3:GetBucketPolicy": "AuditorRole",
    "s3:GetBucketVersioning": "AuditorRole",
    "s3:GetObject": "AuditorRole",
    "s3:GetObjectRetention": "AuditorRole",
    "s3:GetObjectVersion": "AuditorRole",
    "s3:ListBucket": "AuditorRole",
    "s3:ListBucketVersions": "AuditorRole",
}


def test_people_may_do_what_is_written_down_for_them_and_nothing_else() -> None:
    granted = {
        action: logical_id
        for name in TEMPLATES
        for logical_id, role in resources_of(parsed(name), "AWS::IAM::Role").items()
        if role["Properties"]["Path"] != "/doorward/"
        for statement in statements_of(role)
        for action in as_list(statement["Action"])
    }
    assert granted == OF_PEOPLE


def test_whatever_people_may_do_under_a_role_of_theirs_they_are_told_how() -> None:
    page = (REPOSITORY / "docs" / "evidence.md").read_text("utf-8")
    for action in OF_PEOPLE:
        assert action in page, action
