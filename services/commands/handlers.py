"""Every kind of command and its handler, as one literal table."""

from collections.abc import Mapping

from domain.operations import Operation
from services.commands.manual_handlers import (
    CancelHandler,
    DecideHandler,
    RegisterInvoiceHandler,
    SubmitManualPaymentHandler,
)
from services.commands.payment_handlers import (
    AUTHORIZE,
    CAPTURE,
    CREATE_ORDER,
    INCREMENT_AUTHORIZATION,
    REFUND,
    REVERSE,
    SYNC,
    VERIFY_REDIRECT,
    VOID,
    CompleteHandler,
    CreatePaymentHandler,
)
from services.commands.prepared import Handler
from services.commands.vault_handlers import (
    CancelPaymentLinkHandler,
    ChargeMandateHandler,
    CreatePaymentLinkHandler,
    SavePaymentMethodHandler,
    SetupMandateHandler,
)

HANDLERS: Mapping[str, Handler] = {
    "create_payment": CreatePaymentHandler(),
    "create_order": CREATE_ORDER,
    "authorize": AUTHORIZE,
    "capture": CAPTURE,
    "void": VOID,
    "reverse": REVERSE,
    "refund": REFUND,
    "increment_authorization": INCREMENT_AUTHORIZATION,
    "sync": SYNC,
    "verify_redirect": VERIFY_REDIRECT,
    "complete": CompleteHandler(),
    "cancel": CancelHandler(),
    "submit_manual_payment": SubmitManualPaymentHandler(),
    "approve": DecideHandler(Operation.APPROVE),
    "reject": DecideHandler(Operation.REJECT),
    "register_invoice": RegisterInvoiceHandler(),
    "setup_mandate": SetupMandateHandler(),
    "charge_mandate": ChargeMandateHandler(),
    "save_payment_method": SavePaymentMethodHandler(),
    "create_payment_link": CreatePaymentLinkHandler(),
    "cancel_payment_link": CancelPaymentLinkHandler(),
}
