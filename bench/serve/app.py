"""MLflow's app behind our guard: the process started by ``server`` and ``ui``. ``python -m bench.serve.app``.

Its configuration is in environment variables, which only the owner can read, because addresses may contain passwords.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.serve.guard import Guard, Rules
from bench.tracking.uri import escaped

SETTINGS = "INFOGAN_SERVED"


@dataclass(frozen=True)
class Served:
    """What a process serves, and where."""

    store_uri: str
    artifacts: str  # folder for runs tracked through the server
    artifact_folders: tuple[str, ...] = ()  # other folders that runs of the store may name
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    names: tuple[str, ...] = ()  # names of this host; see guard.Rules
    token: str = ""

    def to_environment(self) -> dict[str, str]:
        return {SETTINGS: json.dumps(asdict(self))}

    @staticmethod
    def of_environment() -> "Served":
        fields: dict[str, Any] = json.loads(os.environ[SETTINGS])
        fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return Served(**fields)


def create_app() -> Guard:
    """Create the app; uvicorn calls this in each of its processes."""
    served = Served.of_environment()
    from mlflow.server.fastapi_app import app

    _keep_artifacts_inside([served.artifacts, *served.artifact_folders])
    return Guard(app, Rules(frozenset(served.names), served.token))


def _keep_artifacts_inside(folders: list[str]) -> None:
    """Make this process open only local artifacts inside these folders, whatever location a store names."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
    from mlflow.store.artifact import artifact_repository_registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    roots = [Path(folder).resolve() for folder in folders]

    class Inside(LocalArtifactRepository):
        def __init__(self, artifact_uri: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(artifact_uri, *args, **kwargs)
            folder = Path(self.artifact_dir).resolve()
            if not any(folder.is_relative_to(root) for root in roots):
                raise MlflowException("artifacts outside of the served folder are not served", PERMISSION_DENIED)

    def refused(*_: Any, **__: Any) -> None:
        raise MlflowException("only artifacts in the served folder are served", PERMISSION_DENIED)

    registry = artifact_repository_registry._artifact_repository_registry
    for scheme in registry.get_registered_artifact_repositories():
        registry.register(scheme, Inside if scheme in ("", "file") else refused)


def _prepare_environment(served: Served) -> None:
    """Set the variables that ``mlflow server`` passes to its processes."""
    from mlflow.server import constants

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"):
        os.environ.pop(name, None)
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: served.store_uri,
        constants.REGISTRY_STORE_URI_ENV_VAR: served.store_uri,
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: escaped(served.artifacts),
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",  # the guard is stricter
        "_MLFLOW_SGI_NAME": "uvicorn",
    }


def main() -> None:
    """Prepare the store, then serve until a signal."""
    import uvicorn

    served = Served.of_environment()
    _prepare_environment(served)
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(served.store_uri, served.store_uri, "mlflow-artifacts:/")
    uvicorn.run(
        "bench.serve.app:create_app",
        factory=True,
        host=served.host,
        port=served.port,
        workers=served.workers,
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
    )


if __name__ == "__main__":
    main()
