"""What a change makes of a template."""

from rollwright.cli.difference import differences

BEFORE = {"template": {"spec": {"containers": [{"name": "model", "image": "m:1", "args": ["a"]}, {"name": "proxy"}]}}}
AFTER = {
    "template": {
        "metadata": {"labels": {"tier": "gpu"}},
        "spec": {"containers": [{"name": "model", "image": "m:2", "args": ["a", "b"]}]},
    }
}


def test_fields_are_told_by_their_path_and_containers_by_their_name() -> None:
    assert [(it.field, it.before, it.after) for it in differences(BEFORE, AFTER)] == [
        ("template.spec.containers[model].image", '"m:1"', '"m:2"'),
        ("template.spec.containers[model].args[1]", "", '"b"'),
        ("template.spec.containers[proxy]", '{"name": "proxy"}', ""),
        ("template.metadata", "", '{"labels": {"tier": "gpu"}}'),
    ]


def test_equal_templates_have_none() -> None:
    assert list(differences(BEFORE, BEFORE)) == []
