"""Files in a `multipart/form-data` request."""

from email.parser import BytesParser
from email.policy import HTTP

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import OperationCall


def uploaded_files(call: OperationCall) -> dict[str, bytes]:
    """The content of each part, by the name of its field.

    Raises:
        ApiError: 400, the request is not multipart/form-data.
    """
    if not call.content_type.startswith("multipart/form-data"):
        detail = "The files must be sent as multipart/form-data."
        raise refusal(400, "10014", "Unsupported Media Type", detail)
    header = f"Content-Type: {call.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(header + call.content)
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found
