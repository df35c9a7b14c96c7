"""What a change makes of a template."""

from rollwright.rollout.difference import differences, in_short

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


def test_in_short_only_the_first_few_are_told_and_long_values_are_cut() -> None:
    before = {"image": "m:1", "size": 2}
    assert in_short(before, {"image": "m:2", "size": 2}) == 'image "m:1" -> "m:2"'
    assert in_short({"env": {"TOKEN": "old"}}, {"env": {"TOKEN": "secret"}}) == "env.TOKEN"
    assert in_short(before, {"size": 2}) == 'image "m:1" -> nothing'
    assert in_short({}, dict.fromkeys("abcde", 1)).endswith("b, c, and 2 more")
    assert len(in_short({"image": "x" * 9000}, {})) < 100
