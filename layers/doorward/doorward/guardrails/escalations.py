"""Ways from what a role was given to what nobody gave it: the calls that each takes, all of which it must be allowed.

| way           | on what                                           | what follows                                               |
|---------------|---------------------------------------------------|------------------------------------------------------------|
| `REWRITES`    | the role itself                                   | it holds what it likes; within its boundary, if it has one |
| `LIFTS`       | the role itself                                   | no boundary limits it any more                             |
| `NEW_VERSION` | a policy attached to it, or its boundary          | the same two                                               |
| `OLD_VERSION` | the same                                          | hangs on what the other versions say                       |
| `CHANGES`     | whichever role, user or policy there is           | it can do whatever the account can                         |
| `MAKES`       | a new role or user                                | the same: the new one has what it is given                 |
| `RUNS_AS`     | whichever role there is, passed to something new  | it acts as whichever role it passes                        |
| `TAKES_OVER`  | whatever there is that runs as a role, or is one  | it acts as that role                                       |
| `GIVES`       | whichever user or group there is                  | whoever has that user has whatever it gives                |

What is new may have a name of the policy's liking (`role/app-*`). What there is may not: which of those that it names are privileged is
not known.

What is not here, on purpose: iam:PassRole with what makes a build or a notebook, since starting whichever build, or opening whichever
notebook, is enough; a function's URL, since it asks for lambda:InvokeFunction or lambda:AddPermission, which are here; instance profiles
put on machines that run, and keys pushed to them, since he must reach the machine besides; iam:UpdateAssumeRolePolicy on itself, since he
is in.

IAM: https://docs.aws.amazon.com/service-authorization/latest/reference/list_identityandaccessmanagement.html
Versions: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
Boundaries: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
Passing roles: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
Lambda: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
Targets that EventBridge Scheduler calls as the role: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
Stacks, which do what their role may: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
Builds, whose commands the caller may set: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
Notebooks and jobs: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html · Glue: https://docs.aws.amazon.com/glue/latest/dg/create-an-iam-role.html
Tasks: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html · commands in them: …/ecs-exec.html
Pipelines: https://docs.aws.amazon.com/datapipeline/latest/DeveloperGuide/dp-iam-roles.html
Workflows: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
Sessions and commands on machines: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager.html
User data, which runs when a machine starts: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
"""

from typing import Final

type Calls = tuple[str, ...]

REWRITES: Final[Calls] = ("iam:AttachRolePolicy", "iam:PutRolePolicy")
LIFTS: Final[Calls] = ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary")
NEW_VERSION: Final = "iam:CreatePolicyVersion"
OLD_VERSION: Final = "iam:SetDefaultPolicyVersion"

CHANGES: Final[tuple[Calls, ...]] = (
    ("iam:AttachRolePolicy",),
    ("iam:PutRolePolicy",),
    ("iam:CreatePolicyVersion",),
    ("iam:UpdateAssumeRolePolicy",),
    ("iam:CreateAccessKey",),
    ("iam:CreateLoginProfile",),
    ("iam:UpdateLoginProfile",),
)
# By what IAM calls the kind of it in an ARN.
MAKES: Final[dict[str, tuple[Calls, ...]]] = {
    "role": (("iam:CreateRole", "iam:AttachRolePolicy"), ("iam:CreateRole", "iam:PutRolePolicy")),
    "user": tuple(
        ("iam:CreateUser", credentials, permissions)
        for credentials in ("iam:CreateAccessKey", "iam:CreateLoginProfile")
        for permissions in ("iam:AttachUserPolicy", "iam:PutUserPolicy")
    ),
}
GIVES: Final[tuple[Calls, ...]] = (
    ("iam:AttachUserPolicy",),
    ("iam:PutUserPolicy",),
    ("iam:AddUserToGroup",),
    ("iam:AttachGroupPolicy",),
    ("iam:PutGroupPolicy",),
)
# By the service to which the role is passed, with iam:PassRole.
RUNS_AS: Final[dict[str, tuple[Calls, ...]]] = {
    "lambda.amazonaws.com": (
        ("lambda:CreateFunction", "lambda:InvokeFunction"),
        ("lambda:CreateFunction", "lambda:CreateEventSourceMapping"),
        ("lambda:CreateFunction", "lambda:AddPermission"),
    ),
    "ec2.amazonaws.com": (("ec2:RunInstances",),),
    "ecs-tasks.amazonaws.com": (
        ("ecs:RegisterTaskDefinition", "ecs:RunTask"),
        ("ecs:RegisterTaskDefinition", "ecs:StartTask"),
        ("ecs:RegisterTaskDefinition", "ecs:CreateService"),
        ("ecs:RegisterTaskDefinition", "ecs:UpdateService"),
    ),
    "cloudformation.amazonaws.com": (
        ("cloudformation:CreateStack",),
        ("cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"),
    ),
    "scheduler.amazonaws.com": (("scheduler:CreateSchedule",), ("scheduler:UpdateSchedule",)),
    "states.amazonaws.com": (("states:CreateStateMachine", "states:StartExecution"),),
    "glue.amazonaws.com": (
        ("glue:CreateJob", "glue:StartJobRun"),
        ("glue:CreateJob", "glue:CreateTrigger"),
        ("glue:UpdateJob", "glue:StartJobRun"),
        ("glue:CreateSession", "glue:RunStatement"),
        ("glue:CreateDevEndpoint",),
    ),
    "sagemaker.amazonaws.com": (
        ("sagemaker:CreateNotebookInstanceLifecycleConfig", "sagemaker:CreateNotebookInstance"),
        ("sagemaker:CreateTrainingJob",),
        ("sagemaker:CreateProcessingJob",),
    ),
    "datapipeline.amazonaws.com": (("datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition", "datapipeline:ActivatePipeline"),),
}
# SendCommand is asked for the machine, and for the document that it runs.
TAKES_OVER: Final[tuple[Calls, ...]] = (
    ("lambda:UpdateFunctionCode",),
    ("lambda:PublishLayerVersion", "lambda:GetLayerVersion", "lambda:UpdateFunctionConfiguration"),
    ("ssm:StartSession",),
    ("ssm:SendCommand", "ssm:SendCommand on AWS-RunShellScript"),
    ("ssm:SendCommand", "ssm:SendCommand on AWS-RunPowerShellScript"),
    ("ec2:StopInstances", "ec2:ModifyInstanceAttribute", "ec2:StartInstances"),
    ("ecs:ExecuteCommand",),
    ("cloudformation:UpdateStack",),
    ("states:UpdateStateMachine", "states:StartExecution"),
    ("codebuild:StartBuild",),
    ("codebuild:StartBuildBatch",),
    ("glue:UpdateDevEndpoint",),
    ("sagemaker:CreatePresignedNotebookInstanceUrl",),
    ("iam:UpdateSAMLProvider",),  # whichever role trusts the provider
    ("sts:AssumeRole",),  # whichever role trusts its account
)

_ROLE, _USER, _GROUP = "iam::{account}:role/{name}", "iam::{account}:user/{name}", "iam::{account}:group/{name}"
# What each call is asked for, or each of a service: `arn:partition:` and this. "*": the action has no resource.
_RESOURCES: Final = {
    "iam": _ROLE,
    "iam:CreatePolicyVersion": "iam::{account}:policy/{name}",
    "iam:SetDefaultPolicyVersion": "iam::{account}:policy/{name}",
    "iam:UpdateSAMLProvider": "iam::{account}:saml-provider/{name}",
    **dict.fromkeys(
        (
            *("iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile"),
            *("iam:AttachUserPolicy", "iam:PutUserPolicy"),
        ),
        _USER,
    ),
    **dict.fromkeys(("iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:PutGroupPolicy"), _GROUP),
    "sts": _ROLE,
    "lambda": "lambda:{place}:function:{name}",
    "lambda:CreateEventSourceMapping": "*",
    "lambda:PublishLayerVersion": "lambda:{place}:layer:{name}",
    "lambda:GetLayerVersion": "lambda:{place}:layer:{name}:1",
    "ec2": "ec2:{place}:instance/i-0123456789abcdef0",
    "ssm": "ec2:{place}:instance/i-0123456789abcdef0",
    "ssm:SendCommand on AWS-RunShellScript": "ssm:{region}::document/AWS-RunShellScript",
    "ssm:SendCommand on AWS-RunPowerShellScript": "ssm:{region}::document/AWS-RunPowerShellScript",
    "ecs": "ecs:{place}:task-definition/{name}:1",
    **dict.fromkeys(("ecs:CreateService", "ecs:UpdateService"), "ecs:{place}:service/{name}/{name}"),
    "ecs:ExecuteCommand": "ecs:{place}:task/{name}/0123456789abcdef0123456789abcdef",
    "cloudformation": "cloudformation:{place}:stack/{name}/1",
    "scheduler": "scheduler:{place}:schedule/default/{name}",
    "states": "states:{place}:stateMachine:{name}",
    "glue": "glue:{place}:job/{name}",
    "glue:CreateTrigger": "glue:{place}:trigger/{name}",
    **dict.fromkeys(("glue:CreateSession", "glue:RunStatement"), "glue:{place}:session/{name}"),
    **dict.fromkeys(("glue:CreateDevEndpoint", "glue:UpdateDevEndpoint"), "glue:{place}:devEndpoint/{name}"),
    "sagemaker": "sagemaker:{place}:notebook-instance/{name}",
    "sagemaker:CreateNotebookInstanceLifecycleConfig": "sagemaker:{place}:notebook-instance-lifecycle-config/{name}",
    "sagemaker:CreateTrainingJob": "sagemaker:{place}:training-job/{name}",
    "sagemaker:CreateProcessingJob": "sagemaker:{place}:processing-job/{name}",
    "codebuild": "codebuild:{place}:project/{name}",
    "datapipeline": "datapipeline:{place}:pipeline/df-0123456789ABCDEFGHIJ",
}


_SERVICES: Final = frozenset(each.partition(":")[0] for each in _RESOURCES)


def may_be_of_a_way(action: str) -> bool:
    """Whether an action of a policy, which may have wildcards, is of a service that any way goes by."""
    service = action.partition(":")[0].lower()
    return service in _SERVICES or "*" in service or "?" in service


def action_of(call: str) -> str:
    return call.partition(" ")[0]


def resource_of(call: str, partition: str, account: str, region: str, name: str) -> str:
    """The ARN of a thing called `name`, or of one of a fixed id, that this call is asked for; "*" where it is asked for none."""
    form = _RESOURCES.get(call) or _RESOURCES[call.partition(":")[0]]
    if form == "*":
        return form
    return f"arn:{partition}:{form.format(account=account, region=region, place=f'{region}:{account}', name=name)}"
