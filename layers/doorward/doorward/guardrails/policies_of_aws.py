"""Policies of AWS's own, for inputs that name them and do not hold their texts: a template, a plan, a dump that leaves them out.

Where IAM is asked, it is asked for the text, and nothing here counts. The names, and by what each is privileged, are those of the texts
at the time of writing, which a test reads again; AWS may change any of them. Those for service-linked roles alone are not here.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from doorward.iam.arns import is_of_aws


def _allowing(actions: Iterable[str], resource: str = "*", **conditions: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement | ({"Condition": conditions} if conditions else {})]}


# All that they say, as far as any way to more goes (`escalations`).
_WHOLE: Final = {
    "AdministratorAccess": _allowing(["*"]),
    "AWSDenyAll": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},
    "IAMFullAccess": _allowing(["iam:*"]),
    "PowerUserAccess": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}],
    },
}
# What makes each privileged, on whichever there is.
_BY_CALLS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:CreatePolicyVersion", "iam:UpdateAssumeRolePolicy"): (
        "AdministratorAccess-Amplify",
    ),
    ("cloudformation:UpdateStack",): (
        "AWSCloudFormationFullAccess",
        "AWSDeepRacerCloudFormationAccessPolicy",
    ),
    ("codebuild:StartBuild",): (
        "AWSCodeBuildAdminAccess",
        "AWSCodeBuildDeveloperAccess",
        "AWSRefactoringToolkitFullAccess",
    ),
    ("ec2:StopInstances", "ec2:ModifyInstanceAttribute", "ec2:StartInstances"): (
        "AWSConnector",
        "AmazonEC2FullAccess",
    ),
    ("glue:UpdateDevEndpoint",): (
        "AWSGlueConsoleFullAccess",
        "AWSGlueConsoleSageMakerNotebookFullAccess",
        "SageMakerStudioAdminIAMPermissiveExecutionPolicy",
        "SageMakerStudioUserIAMPermissiveExecutionPolicy",
        "service-role/AWSGlueServiceNotebookRole",
        "service-role/AWSGlueServiceRole",
        "service-role/AwsGlueSessionUserRestrictedNotebookServiceRole",
        "service-role/AwsGlueSessionUserRestrictedServiceRole",
    ),
    ("iam:PassRole", "cloudformation:CreateStack"): (
        "AWSElasticBeanstalkManagedUpdatesCustomerRolePolicy",
        "AdministratorAccess-AWSElasticBeanstalk",
        "service-role/AWSElasticBeanstalkService",
    ),
    ("iam:PassRole", "ec2:RunInstances"): (
        "AWSMarketplaceFullAccess",
        "AmazonElasticMapReduceFullAccess",
        "service-role/AWSBackupServiceRolePolicyForRestores",
        "service-role/AWSBatchServiceRole",
        "service-role/AmazonEC2SpotFleetTaggingRole",
        "service-role/AmazonElasticMapReduceRole",
        "service-role/ServerMigrationServiceLaunchRole",
    ),
    ("iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"): ("AmazonECS_FullAccess",),
    ("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"): (
        "AWSLambda_FullAccess",
        "AmazonDynamoDBFullAccesswithDataPipeline",
        "AmazonSageMakerPipelinesIntegrations",
    ),
    ("iam:PassRole", "sagemaker:CreateNotebookInstanceLifecycleConfig", "sagemaker:CreateNotebookInstance"): (
        "AmazonSageMakerFullAccess",
        "job-function/DataScientist",
    ),
    ("iam:PassRole", "sagemaker:CreateProcessingJob"): ("AmazonSageMakerCanvasDataPrepFullAccess",),
    ("iam:PassRole", "sagemaker:CreateTrainingJob"): (
        "AmazonRedshiftAllCommandsFullAccess",
        "service-role/AWSDeepLensServiceRolePolicy",
    ),
    ("iam:PassRole", "scheduler:CreateSchedule"): (
        "AmazonEventBridgeFullAccess",
        "AmazonEventBridgeSchedulerFullAccess",
        "CloudWatchEventsFullAccess",
    ),
    ("lambda:UpdateFunctionCode",): (
        "AIDevOpsAgentActionsPolicy",
        "job-function/SystemAdministrator",
    ),
    ("sagemaker:CreatePresignedNotebookInstanceUrl",): (
        "AmazonDataZoneSageMakerEnvironmentRolePermissionsBoundary",
        "service-role/AWSDeepRacerServiceRolePolicy",
        "service-role/AmazonSageMakerServiceCatalogProductsCloudformationServiceRolePolicy",
        "service-role/AmazonSageMakerServiceCatalogProductsLambdaServiceRolePolicy",
    ),
    ("ssm:SendCommand",): (
        "service-role/AWSFaultInjectionSimulatorEC2Access",
        "service-role/AWSFaultInjectionSimulatorSSMAccess",
        "service-role/AmazonSSMMaintenanceWindowRole",
    ),
    ("ssm:StartSession",): (
        "AWSSystemsManagerJustInTimeAccessTokenPolicy",
        "AmazonSSMFullAccess",
        "service-role/AmazonSSMAutomationRole",
    ),
    ("states:UpdateStateMachine", "states:StartExecution"): (
        "AWSStepFunctionsConsoleFullAccess",
        "AWSStepFunctionsFullAccess",
    ),
    ("sts:AssumeRole",): (
        "SageMakerStudioAdminIAMDefaultExecutionPolicy",
        "SageMakerStudioUserIAMDefaultExecutionPolicy",
    ),
}
_MAKING_ROLES: Final = {
    "AWSManagedAccountManagementAccess": "arn:*:iam::*:role/managed/*",
    "service-role/AWSCodeStarServiceRole": "arn:aws:iam::*:role/CodeStarWorker*",
    "WellArchitectedConsoleFullAccess": "arn:aws:iam::*:role/service-role/*",
}
# Those that pass whichever role to such a service, and hold nothing that makes it run: half of a way.
_PASSING: Final = {
    "ecs-tasks.amazonaws.com": ("AWSCodeDeployRoleForECS", "service-role/AmazonEC2ContainerServiceEventsRole"),
    "lambda.amazonaws.com": ("AWSRoboMakerServiceRolePolicy",),
    "sagemaker.amazonaws.com": (
        "AmazonAugmentedAIFullAccess",
        "AmazonAugmentedAIIntegratedAPIAccess",
        "AmazonSageMakerCanvasFullAccess",
        "AmazonSageMakerModelRegistryFullAccess",
    ),
}
_DOCUMENTS: Final = {
    **_WHOLE,
    **{
        name: _allowing(["iam:PassRole"], StringEquals={"iam:PassedToService": service})
        for service, names in _PASSING.items()
        for name in names
    },
    **{name: _allowing(calls) for calls, names in _BY_CALLS.items() for name in names},
    **{name: _allowing(("iam:CreateRole", "iam:AttachRolePolicy"), roles) for name, roles in _MAKING_ROLES.items()},
}
PASSING: Final = frozenset(name for names in _PASSING.values() for name in names)
PRIVILEGED: Final = frozenset(_DOCUMENTS) - {"AWSDenyAll"} - PASSING
DEPENDING: Final = frozenset(
    (
        "AWSApplicationMigrationEC2Access",
        "AWSApplicationMigrationNetworkMigrationMultiAccount",
        "AWSApplicationMigrationSSMAccess",
        "AWSCloud9Administrator",
        "AWSCloud9EnvironmentMember",
        "AWSCloud9User",
        "AWSElasticDisasterRecoveryConsoleFullAccess",
        "AWSElasticDisasterRecoveryConsoleFullAccess_v2",
        "AWSElasticDisasterRecoveryLaunchActionsPolicy",
        "AWSForWordPressPluginPolicy",
        "AWSManagedSettingsAdminAccess",
        "AWSMcpServiceActionsFullAccess",
        "AWSQuickSetupDeploymentRolePolicy",
        "AWSQuickSetupEnableDHMCExecutionPolicy",
        "AWSQuickSetupJITNADeploymentRolePolicy",
        "AWSQuickSetupManagedInstanceProfileExecutionPolicy",
        "AWSQuickSetupPatchPolicyDeploymentRolePolicy",
        "AWSQuickSetupSSMDeploymentRolePolicy",
        "AWSQuickSetupSSMManageResourcesExecutionPolicy",
        "AWSServiceCatalogAppRegistryFullAccess",
        "AWSTransformInfrastructureExecutorAccessEC2",
        "AWSTransformNetworkMigrationAgentPolicy",
        "AWSTransformServerMigrationAgentPolicy",
        "AccountManagementFromVercel",
        "AmazonDataZoneRedshiftGlueProvisioningPolicy",
        "AmazonDataZoneSageMakerProvisioningRolePolicy",
        "AmazonEC2RolePolicyForLaunchWizard",
        "AmazonEKSComputePolicy",
        "AmazonLaunchWizardFullAccessV2",
        "AmazonSecurityLakeAdministrator",
        "EC2FastLaunchFullAccess",
        "EC2ImageBuilderExecutionPolicy",
        "SageMakerStudioProjectUserRolePermissionsBoundary",
        "SageMakerStudioProjectUserRolePolicy",
        "service-role/AWSDataLifecycleManagerSSMFullAccess",
        "service-role/AWSTransformApplicationDeploymentPolicy",
        "service-role/SageMakerStudioEMRInstanceRolePolicy",
        "service-role/SageMakerStudioEMRServiceRolePolicy",
        "service-role/SageMakerStudioProjectProvisioningRolePolicy",
    )
)
"""Those that may be, under conditions that nobody decides without knowing the request."""


def is_whole(arn: str) -> bool:
    """Whether all of the policy's text that matters is known."""
    return name_of_aws(arn) in _WHOLE


def text_of_aws(arn: str) -> str | None:
    """What of it makes it privileged, as a policy; None where nothing is known to."""
    document = _DOCUMENTS.get(name_of_aws(arn))
    return None if document is None else json.dumps(document)


def name_of_aws(arn: str) -> str:
    """With its path, as AWS lists them; empty where it is no policy of AWS's own."""
    return arn.partition(":policy/")[2] if is_of_aws(arn) else ""
