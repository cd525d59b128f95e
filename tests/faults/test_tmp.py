from .bench import Bench, bystanders


def test_base(planned: Bench):
    before = bystanders(planned.world)
    ran = planned.apply(code=None)
    print(ran.report)
    p = planned.plan("--detailed-exitcode", code=None)
    print(p.report)
    assert bystanders(planned.world) == before
