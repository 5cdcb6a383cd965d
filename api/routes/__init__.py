"""The routes, one file per resource; each is thin over a service. This list says which there are."""

from api.routes import payments

ROUTERS = (payments.ROUTER,)
