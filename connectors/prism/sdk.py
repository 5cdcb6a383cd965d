"""The border to Prism's SDK, whose Python module is called `payments`: everything of it that the connector uses.

Requests and answers cross it as the JSON of the SDK's protobuf messages, with whole numbers of 64 bits as text and
enumerations by name, so that a payment's and a refund's statuses, which share numbers, cannot be mixed up.
"""

import asyncio
import traceback
from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from typing import Any, Protocol

import httpx

from connectors.outcomes import Timeouts
from connectors.payloads import Payload, parse_object
from connectors.prism.errors import PrismFailure, Stage
from connectors.prism.registration import PrismCredentials
from domain.errors import GatewayUnavailable, InvalidInput, MalformedPayload

HOW_TO_INSTALL = (
    "Prism's SDK does not load here: install the extra paystream[prism]. Its Linux wheel needs glibc 2.39 or newer, as "
    "in Debian 13 or Ubuntu 24.04"
)
MILLISECONDS = 1000

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_CODES_OF_NEVER_SENT = frozenset(
    {
        "CONNECT_TIMEOUT_EXCEEDED",
        "CLIENT_INITIALIZATION_FAILURE",
        "URL_PARSING_FAILED",
        "INVALID_PROXY_CONFIGURATION",
        "INVALID_CA_CERT",
    }
)
_SAID_BY_THE_PROCESSOR = "CONNECTOR_ERROR_RESPONSE"


class Flow(Enum):
    """A call of the SDK: its client, its method and the message that it takes."""

    AUTHORIZE = ("PaymentClient", "authorize", "PaymentServiceAuthorizeRequest")
    CAPTURE = ("PaymentClient", "capture", "PaymentServiceCaptureRequest")
    CREATE_ORDER = ("PaymentClient", "create_order", "PaymentServiceCreateOrderRequest")
    GET = ("PaymentClient", "get", "PaymentServiceGetRequest")
    VOID = ("PaymentClient", "void", "PaymentServiceVoidRequest")
    REVERSE = ("PaymentClient", "reverse", "PaymentServiceReverseRequest")
    REFUND = ("PaymentClient", "refund", "PaymentServiceRefundRequest")
    GET_REFUND = ("RefundClient", "refund_get", "RefundServiceGetRequest")
    INCREMENT_AUTHORIZATION = (
        "PaymentClient",
        "incremental_authorization",
        "PaymentServiceIncrementalAuthorizationRequest",
    )
    SET_UP_MANDATE = ("PaymentClient", "token_setup_recurring", "PaymentServiceTokenSetupRecurringRequest")
    CHARGE_MANDATE = ("RecurringPaymentClient", "charge", "RecurringPaymentServiceChargeRequest")
    CREATE_ACCESS_TOKEN = (
        "MerchantAuthenticationClient",
        "create_server_authentication_token",
        "MerchantAuthenticationServiceCreateServerAuthenticationTokenRequest",
    )

    @property
    def only_reads(self) -> bool:
        """True for calls that change nothing."""
        return self in {Flow.GET, Flow.GET_REFUND}


class PrismSdk(Protocol):
    """One account's access to one processor. All its failures are PrismFailure."""

    async def call(self, flow: Flow, request: Payload) -> Payload:
        """Send a request to the processor and return its answer."""
        ...

    def read_event(self, request: Payload) -> Payload:
        """Return what a callback of the processor is about. Nothing is sent, and nothing is verified."""
        ...

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        ...


def load_sdk(credentials: PrismCredentials, timeouts: Timeouts) -> PrismSdk:
    """Load the SDK for an account.

    Raises GatewayUnavailable where the SDK does not load, InvalidInput for a processor or settings that it refuses.
    """
    try:
        wheel = _Wheel()
    except (ImportError, OSError, RuntimeError) as error:
        raise GatewayUnavailable(f"{HOW_TO_INSTALL} ({type(error).__name__})", code="sdk_missing") from error
    return LoadedSdk(wheel, _configuration(wheel, credentials), timeouts)


class _Wheel:
    """The modules of the SDK. They are untyped, and import a native library."""

    def __init__(self) -> None:
        self.clients: Any = import_module("payments")
        self.messages: Any = import_module("payments.generated.payment_pb2")
        self.events: Any = import_module("payments.generated.events_pb2")
        self.configuration: Any = import_module("payments.generated.sdk_config_pb2")
        self.json: Any = import_module("google.protobuf.json_format")


class LoadedSdk:
    """The SDK itself."""

    def __init__(self, wheel: _Wheel, configuration: object, timeouts: Timeouts) -> None:
        self._wheel = wheel
        self._configuration = configuration
        self._total_seconds = timeouts.total_seconds
        http = wheel.configuration.HttpConfig(
            total_timeout_ms=int(timeouts.total_seconds * MILLISECONDS),
            connect_timeout_ms=int(timeouts.connect_seconds * MILLISECONDS),
            response_timeout_ms=int(timeouts.read_seconds * MILLISECONDS),
        )
        self._defaults = wheel.configuration.RequestConfig(http=http)
        self._clients: dict[str, Any] = {}

    async def call(self, flow: Flow, request: Payload) -> Payload:
        """Send a request to the processor and return its answer. Raises PrismFailure."""
        client, method, message = flow.value
        prepared = self._message(getattr(self._wheel.messages, message), request)
        try:
            async with asyncio.timeout(self._total_seconds):
                answer = await getattr(self._client(client), method)(prepared)
        except Exception as error:  # noqa: BLE001 - whatever breaks in foreign code, money may have moved
            # The cause may quote keys, or the whole answer.
            raise self._failure(error) from None
        return self._json(answer)

    def read_event(self, request: Payload) -> Payload:
        """Return what a callback of the processor is about. Raises PrismFailure."""
        prepared = self._message(self._wheel.events.EventServiceParseRequest, request)
        try:
            answer = self._client("EventClient").parse_event(prepared)
        except Exception as error:  # noqa: BLE001 - anybody may post anything, and no body may stop the process
            raise PrismFailure(Stage.REFUSED, str(getattr(error, "error_code", type(error).__name__))) from None
        return self._json(answer)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def _client(self, name: str) -> Any:  # noqa: ANN401 - the SDK is untyped
        if name not in self._clients:
            self._clients[name] = getattr(self._wheel.clients, name)(self._configuration, self._defaults)
        return self._clients[name]

    def _message(self, message: Any, request: Payload) -> object:  # noqa: ANN401 - the SDK is untyped
        try:
            prepared: object = self._wheel.json.ParseDict(request, message())
        except self._wheel.json.ParseError:
            raise PrismFailure(Stage.REFUSED, "REQUEST_INVALID") from None
        return prepared

    def _json(self, message: object) -> Payload:
        answer: Payload = self._wheel.json.MessageToDict(message)
        return answer

    def _failure(self, error: Exception) -> PrismFailure:
        clients = self._wheel.clients
        if isinstance(error, clients.NetworkError):
            code = str(error.error_code)
            # The SDK gives a refused connection and a broken one the same code; the cause tells them apart.
            never_sent = code in _CODES_OF_NEVER_SENT or isinstance(error.__context__, _NEVER_SENT)
            return PrismFailure(Stage.UNREACHABLE if never_sent else Stage.UNANSWERED, code)
        if isinstance(error, clients.IntegrationError | clients.ConnectorError):
            code, said = str(error.error_code), str(error.error_message)
            if _is_before_sending(error):
                return PrismFailure(Stage.REFUSED, code, said=said)
            status_code = error.http_status_code if isinstance(error, clients.ConnectorError) else 0
            if status_code:
                own = (
                    said if code == _SAID_BY_THE_PROCESSOR and status_code < httpx.codes.INTERNAL_SERVER_ERROR else None
                )
                return PrismFailure(Stage.ANSWERED, code, said=own, status_code=status_code)
            return PrismFailure(Stage.UNANSWERED, code)
        return PrismFailure(Stage.UNANSWERED, type(error).__name__)


def _is_before_sending(error: Exception) -> bool:
    """Say whether the SDK failed while it made the request: it raises the same exceptions for the answer."""
    return any(frame.f_code.co_name == "check_req" for frame, _ in traceback.walk_tb(error.__traceback__))


def _configuration(wheel: _Wheel, credentials: PrismCredentials) -> object:
    settings = _settings(credentials)
    message = wheel.messages.ConnectorSpecificConfig
    if credentials.connector not in message.DESCRIPTOR.fields_by_name:
        raise InvalidInput(f"Prism has no processor {credentials.connector!r}", field="connector")
    environment = getattr(wheel.configuration, credentials.environment.upper())
    configuration = wheel.configuration.ConnectorConfig(options=wheel.configuration.SdkOptions(environment=environment))
    try:
        specific = wheel.json.ParseDict({credentials.connector: settings}, message())
    except wheel.json.ParseError:
        # The cause may quote a key.
        text = f"these are no settings of Prism's for {credentials.connector}"
        raise InvalidInput(text, field="connector_config") from None
    configuration.connector_config.CopyFrom(specific)
    found: object = configuration
    return found


def _settings(credentials: PrismCredentials) -> Mapping[str, object]:
    try:
        settings = dict(parse_object(credentials.connector_config.get_secret_value()))
    except MalformedPayload:
        raise InvalidInput("the settings of the processor are no JSON object", field="connector_config") from None
    if credentials.api_base is not None:
        settings["baseUrl"] = f"{credentials.api_base}/"
    return settings
