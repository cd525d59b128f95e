"""The kinds, in the order of their references: a kind may refer to those before it, never to those after."""

from exolink_reconcile.kinds.charger import Charger
from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.kinds.tenant import Tenant
from exolink_reconcile.resource import Kind

KINDS: tuple[Kind, ...] = (
    Tenant,
    Cpms,
    Charger,
)
