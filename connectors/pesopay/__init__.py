"""PesoPay, PayDollar and SiamPay: AsiaPay's payment page, datafeeds and order API."""
