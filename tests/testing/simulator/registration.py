"""An RCS brand and agent that can be registered, in the SDK's names."""

from typing import Any

BRAND: dict[str, Any] = {
    "display_name": "Acme",
    "legal_name": "Acme LLC",
    "legal_entity_type": "LIMITED_LIABILITY_COMPANY",
    "organization_type": "PRIVATE_PROFIT",
    "website_url": "https://acme.example",
    "addresses": {
        "business": {
            "line_1": "600 Congress Avenue",
            "city": "Austin",
            "administrative_area": "TX",
            "postal_code": "78701",
            "country_code": "US",
        }
    },
    "contacts": {
        "brand": {
            "contact_type": "BRAND",
            "first_name": "Ann",
            "last_name": "Doe",
            "email": "ann@acme.example",
            "phone_number": "+18005550100",
        }
    },
    "identifiers": {"ein": {"identifier_type": "EIN", "value": "12-3456789"}},
}

BASICS: dict[str, Any] = {
    "description": "Order confirmations and delivery updates",
    "brand_color": "#123456",
    "email": {"address": "help@acme.example", "label": "Support"},
}

AGENT: dict[str, Any] = {
    "display_name": "Acme Orders",
    "use_case": "TRANSACTIONAL",
    "configuration": {"basics": BASICS},
}

CAMPAIGN: dict[str, Any] = {
    "company_overview": "Acme sells anvils online.",
    "agent_overview": "The agent sends order confirmations.",
    "interactions": [{"interaction_type": "TRANSACTIONAL_UPDATES"}],
    "message_examples": ["Your order is confirmed.", "Your order has shipped.", "Your order was delivered."],
    "consent_settings": {
        "call_to_action": "Tick RCS updates at checkout.",
        "double_opt_in": False,
        "help_response": "Write to help@acme.example.",
        "opt_in_message": "You get updates of your orders.",
        "opt_in_methods": [{"method_type": "SMS"}],
        "opt_out_response": "You get no more messages.",
    },
}

TESTING: dict[str, Any] = {"test_url": "https://acme.example/rcs-test.mp4"}
