"""A toll-free verification request with its 18 required fields."""

from typing import Any

SUBMISSION: dict[str, Any] = {
    "business_name": "Acme LLC",
    "corporate_website": "https://acme.example",
    "business_addr1": "600 Congress Avenue",
    "business_city": "Austin",
    "business_state": "Texas",
    "business_zip": "78701",
    "business_contact_first_name": "Ann",
    "business_contact_last_name": "Doe",
    "business_contact_email": "ann@acme.example",
    "business_contact_phone": "+18005550100",
    "message_volume": "100,000",
    "phone_numbers": [{"phone_number": "+18775550001"}, {"phone_number": "+18775550002"}],
    "use_case": "2FA",
    "use_case_summary": "Codes to sign in with",
    "production_message_content": "Your code is 123456",
    "opt_in_workflow": "People tick a box when they sign up",
    "opt_in_workflow_image_urls": [{"url": "https://acme.example/sign-up.png"}],
    "additional_information": "None",
}
