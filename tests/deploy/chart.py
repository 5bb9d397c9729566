"""What Dagster's chart takes of the values that are used here: names, types and enumerations of its own schema."""

from __future__ import annotations

from typing import Any

from tests.manifests.rules import NAME, TEXT, closed, several, whole

FLAG = {"type": "boolean"}
ANY = {"type": "object"}
IMAGE = closed(
    "repository",
    "tag",
    "pullPolicy",
    repository=TEXT,
    tag={"type": ["string", "integer"]},
    pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
)
OF_A_POD = {
    "image": IMAGE,
    "env": several({**ANY, "required": ["name"]}),
    "envConfigMaps": several(closed("name", name=NAME)),
    "envSecrets": several(closed("name", name=NAME)),
    "podSecurityContext": ANY,
    "securityContext": ANY,
    "resources": closed(requests=ANY, limits=ANY),
    "volumes": several({**ANY, "required": ["name"]}),
    "volumeMounts": several({**ANY, "required": ["name", "mountPath"]}),
}
THREADS = closed("useThreads", useThreads=FLAG, numWorkers=whole(1), numSubmitWorkers=whole(1))
CLASS = closed("module", "class", "config", module=TEXT, config=ANY, **{"class": TEXT})
DAYS = closed(
    "purgeAfterDays",
    purgeAfterDays=closed(
        "skipped", "success", "failure", "started", **dict.fromkeys(("skipped", "success", "failure", "started"), whole(-1))
    ),
)
ACCOUNT = closed("create", "name", create=FLAG, name=NAME)
VALUES: dict[str, Any] = closed(
    fullnameOverride=NAME,
    **{
        "global": closed(dagsterHome=TEXT, postgresqlSecretName=NAME),
        "rbacEnabled": FLAG,
        "serviceAccount": ACCOUNT,
        "generatePostgresqlPasswordSecret": FLAG,
        "postgresql": closed(
            "enabled",
            enabled=FLAG,
            postgresqlScheme=TEXT,
            postgresqlHost=TEXT,
            postgresqlUsername=TEXT,
            postgresqlDatabase=TEXT,
            service=closed("port", port=whole(1, 65535)),
        ),
        "telemetry": closed("enabled", enabled=FLAG),
        "dagster-user-deployments": closed(
            "enabled",
            "enableSubchart",
            enabled=FLAG,
            enableSubchart=FLAG,
            serviceAccount=ACCOUNT,
            rbacEnabled=FLAG,
            deployments=several(
                closed(
                    "name",
                    "image",
                    "port",
                    "dagsterApiGrpcArgs",
                    name=NAME,
                    port=whole(1, 65535),
                    dagsterApiGrpcArgs=several(TEXT, 1),
                    includeConfigInLaunchedRuns=closed("enabled", enabled=FLAG),
                    **OF_A_POD,
                ),
                least=1,
            ),
        ),
        "dagsterWebserver": closed(replicaCount=whole(0), service=closed("type", "port", type=TEXT, port=whole(1, 65535)), **OF_A_POD),
        "dagsterDaemon": closed(
            enabled=FLAG,
            runCoordinator=closed(
                "enabled",
                "type",
                "config",
                enabled=FLAG,
                type={"enum": ["QueuedRunCoordinator", "CustomRunCoordinator"]},
                config=closed(
                    queuedRunCoordinator=closed(dequeueUseThreads=FLAG, dequeueNumWorkers=whole(1), dequeueIntervalSeconds=whole(1))
                ),
            ),
            runMonitoring=closed(
                enabled=FLAG,
                pollIntervalSeconds=whole(1),
                startTimeoutSeconds=whole(1),
                cancelTimeoutSeconds=whole(1),
                maxResumeRunAttempts=whole(0),
                freeSlotsAfterRunEndSeconds=whole(0),
            ),
            runRetries=closed("enabled", enabled=FLAG, maxRetries=whole(0), retryOnAssetOrOpFailure=FLAG),
            sensors=THREADS,
            schedules=THREADS,
            **OF_A_POD,
        ),
        "runLauncher": closed(
            "type",
            "config",
            type={"const": "CustomRunLauncher"},
            config=closed("customRunLauncher", customRunLauncher=CLASS),
        ),
        "computeLogManager": closed(
            "type",
            "config",
            type={"const": "GCSComputeLogManager"},
            config=closed(
                "gcsComputeLogManager",
                gcsComputeLogManager=closed("bucket", bucket=TEXT, prefix=TEXT, localDir=TEXT, uploadInterval=whole(1)),
            ),
        ),
        "concurrency": closed(
            "enabled",
            enabled=FLAG,
            runs=closed(maxConcurrentRuns=whole(0), tagConcurrencyLimits=several(closed("key", "limit", key=TEXT, limit=whole(0)))),
            pools=closed(granularity={"enum": ["run", "op"]}, defaultLimit=whole(0)),
        ),
        "retention": closed("enabled", "sensor", "schedule", enabled=FLAG, sensor=DAYS, schedule=DAYS, autoMaterialize=DAYS),
        "additionalInstanceConfig": ANY,
    },
)
