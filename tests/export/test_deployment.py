"""Deployment files: parsed, held against published schemas, and true to the export."""

import importlib.resources
import json

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

from tfflows.export.writing.deployment import write_deployment

jsonschema = pytest.importorskip("jsonschema", reason="needs tfflows[test]")
yaml = pytest.importorskip("yaml", reason="needs tfflows[test]")


def version(folder, number, model="realnvp", **more):
    extra = folder / str(number) / "assets.extra"
    extra.mkdir(parents=True)
    (extra / "flow.json").write_text(json.dumps({"model": model, **more}))
    (folder / str(number) / "saved_model.pb").touch()


@pytest.fixture
def deployed(tmp_path):
    for number in (1, 2, 10):
        version(tmp_path / "My model", number)
    (tmp_path / "My model" / ".tmp_x").mkdir()
    (tmp_path / "My model" / "11").mkdir()  # half-written: it has no flow.json
    return write_deployment(tmp_path / "My model")


@pytest.fixture
def split(tmp_path):
    for signature in ("decode", "log_prob"):
        version(tmp_path / "My model" / signature, 4)
    return write_deployment(tmp_path / "My model")


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def test_the_files(deployed, tmp_path):
    assert {path.name for path in deployed.iterdir()} == {
        *("README.md", "docker-compose.yaml", "kubernetes.yaml", "kserve.yaml"),
        *("models.config", "batching.config", "monitoring.config"),
    }
    for path in deployed.iterdir():
        text = path.read_text()
        assert str(tmp_path) not in text
        assert "$" not in text


def test_a_second_time_they_are_written_anew(deployed, tmp_path):
    version(tmp_path / "My model", 12)
    write_deployment(tmp_path / "My model")
    assert "versions: 10 versions: 12" in (deployed / "models.config").read_text()
    assert len(list(deployed.iterdir())) == 7


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_server_is_told_to_allow_xla_where_a_version_needs_it(
    tmp_path, jit_compile
):
    version(tmp_path / "mine", 1, jit_compile=jit_compile)
    version(tmp_path / "mine", 2, jit_compile=False)
    folder = write_deployment(tmp_path / "mine")
    (compose,) = documents(folder / "docker-compose.yaml")
    (deployment,) = [
        document
        for document in documents(folder / "kubernetes.yaml")
        if document["kind"] == "Deployment"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (service,) = documents(folder / "kserve.yaml")
    for arguments in (
        compose["services"]["serving"]["command"],
        container["args"],
        service["spec"]["predictor"]["model"].get("args", []),
    ):
        flag = "--xla_cpu_compilation_enabled=true"
        assert (flag in arguments) == jit_compile
    for arguments in (compose["services"]["serving"]["command"], container["args"]):
        assert ("--enable_batching=true" in arguments) == jit_compile


def test_what_is_no_export_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder of an exported model"):
        write_deployment(tmp_path)
    assert not list(tmp_path.iterdir())


def model_configs(path):
    proto = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2",
        reason="needs the extra serving",
    )
    parsed = text_format.Parse(path.read_text(), proto.ModelServerConfig())
    return list(parsed.model_config_list.config)


def test_models_config_serves_the_two_newest_versions(deployed):
    (config,) = model_configs(deployed / "models.config")
    assert config.name == "My_model"
    assert config.base_path == "/models/My_model"
    assert config.model_platform == "tensorflow"
    assert list(config.model_version_policy.specific.versions) == [2, 10]
    assert dict(config.version_labels) == {"stable": 2, "canary": 10}


def test_models_config_of_a_split_export_serves_each_signature(split):
    configs = model_configs(split / "models.config")
    assert [config.name for config in configs] == [
        "My_model_decode",
        "My_model_log_prob",
    ]
    assert configs[0].base_path == "/models/My_model/decode"
    assert dict(configs[1].version_labels) == {"stable": 4}


# Not in the package tensorflow-serving-api. The fields as in TensorFlow Serving:
# servables/tensorflow/session_bundle_config.proto and config/monitoring_config.proto.
INT64, BOOL, STRING, MESSAGE = 3, 8, 9, 11
MESSAGES = {
    "Int64Value": {"value": (1, INT64)},
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"),
        "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"),
        "num_batch_threads": (4, "Int64Value"),
        "allowed_batch_sizes": (6, INT64),
    },
    "PrometheusConfig": {"enable": (1, BOOL), "path": (2, STRING)},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
}


def parse(name, path):
    file = descriptor_pb2.FileDescriptorProto(name="configs.proto", syntax="proto3")
    for message, fields in MESSAGES.items():
        descriptor = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            label = 3 if field.startswith("allowed") else 1  # repeated, optional
            more = {"type": kind}
            if isinstance(kind, str):
                more = {"type": MESSAGE, "type_name": f".{kind}"}
            descriptor.field.add(name=field, number=number, label=label, **more)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
    return text_format.Parse(path.read_text(), message)


def test_batching_and_monitoring(deployed):
    batching = parse("BatchingParameters", deployed / "batching.config")
    assert list(batching.allowed_batch_sizes) == [1, 8, 64]
    assert batching.max_batch_size.value == 64  # the server demands the last of them
    monitoring = parse("MonitoringConfig", deployed / "monitoring.config")
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path.startswith("/monitoring")


def test_docker_compose(deployed):
    (compose,) = documents(deployed / "docker-compose.yaml")
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor"
    schema = json.loads((folder / "compose-spec.json").read_text())
    jsonschema.validate(compose, schema)
    service = compose["services"]["serving"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    mounts = {volume["target"]: volume["source"] for volume in service["volumes"]}
    assert mounts == {"/models/My_model": "..", "/config": "."}
    flags = dict(flag.split("=") for flag in service["command"])
    for name in ("--model_config_file", "--monitoring_config_file"):
        target, file = flags[name].rsplit("/", 1)
        assert target in mounts
        assert (deployed / file).is_file()


@pytest.mark.parametrize("folder", ["deployed", "split"])
def test_kubernetes(folder, request):
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="needs tfflows[test]"
    )
    path = request.getfixturevalue(folder)
    resources = {d["kind"]: d for d in documents(path / "kubernetes.yaml")}
    for resource in resources.values():
        kubernetes_validate.validate(resource, "1.34", strict=True)
    config = resources["ConfigMap"]["data"]
    for name, text in config.items():
        assert text.strip() == (path / name).read_text().strip()
    deployment = resources["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert resources["Service"]["spec"]["selector"] == labels
    pod = deployment["template"]["spec"]
    claim = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert resources["PersistentVolumeClaim"]["metadata"]["name"] == claim
    probe = pod["containers"][0]["readinessProbe"]["httpGet"]["path"]
    assert f'name: "{probe.rsplit("/", 1)[1]}"' in (path / "models.config").read_text()


# Of the InferenceService of KServe 0.21, what these manifests may use.
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}


def closed(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


KSERVE = closed(
    apiVersion={"const": "serving.kserve.io/v1beta1"},
    kind={"const": "InferenceService"},
    metadata=closed(name=NAME),
    spec=closed(
        predictor=closed(
            model=closed(
                modelFormat=closed(name={"const": "tensorflow"}),
                protocolVersion={"const": "v1"},
                storageUri={"type": "string", "pattern": "^pvc://[a-z0-9-]+/."},
                resources={"type": "object"},
            )
        )
    ),
)


@pytest.mark.parametrize("folder", ["deployed", "split"])
def test_kserve(folder, request):
    path = request.getfixturevalue(folder)
    services = documents(path / "kserve.yaml")
    for service in services:
        jsonschema.validate(service, KSERVE)
    uris = [s["spec"]["predictor"]["model"]["storageUri"] for s in services]
    expected = [""] if folder == "deployed" else ["/decode", "/log_prob"]
    assert uris == [f"pvc://my-model-models/My_model{path}" for path in expected]
    assert len({s["metadata"]["name"] for s in services}) == len(services)
