"""What the table `[ops.mqtt]` must mean: nobody on the way can read or write unless the file says so."""

from daemon.config.decode import Problems
from daemon.config.ops_check import is_loopback
from daemon.config.schema import Config


def check_mqtt(config: Config, problems: Problems) -> None:
    """TLS, secrets and names. Files are looked at where the bridge starts: a trader of the same config may run where
    they are not.
    """
    mqtt = config.ops.mqtt
    if not mqtt.host:
        return
    if any(c.isspace() or c in "/@" for c in mqtt.host):
        problems.add("ops.mqtt.host", "is no host", "write its name or address alone; the port has its own key")
    if mqtt.tls and mqtt.plain:
        problems.add("ops.mqtt.plain", "is true beside tls", "keep one of the two")
    if not mqtt.tls and not mqtt.plain and not is_loopback(mqtt.host):
        remedy = "set tls = true; or plain = true where the way itself is safe (a VPN)"
        problems.add("ops.mqtt.tls", f"is off, and {mqtt.host} is another machine", remedy)
    for name in ("ca_file", "certificate_file", "key_file"):
        if getattr(mqtt, name) and not mqtt.tls:
            problems.add(f"ops.mqtt.{name}", "is set, and tls is off", "set tls = true, or remove it")
    if bool(mqtt.certificate_file) != bool(mqtt.key_file):
        lacking = "key_file" if mqtt.certificate_file else "certificate_file"
        problems.add(f"ops.mqtt.{lacking}", "is missing beside the other half", "give both, or neither")
    if mqtt.password_file and mqtt.password_variable:
        problems.add("ops.mqtt.password_variable", "is set beside password_file", "keep one of the two")
    if (mqtt.password_file or mqtt.password_variable) and not mqtt.user:
        problems.add("ops.mqtt.user", "is missing beside the password", "name the user")
    for field, given in (("commands", mqtt.commands), ("features", mqtt.features)):
        for name in sorted({name for name in given if given.count(name) > 1}):
            problems.add(f"ops.mqtt.{field}", f"{name} is named {given.count(name)} times", "name it once")
    for name in mqtt.features:
        if not name.isprintable() or any(c in "/+#" for c in name) or not name:
            problems.add("ops.mqtt.features", f"{name!r} cannot be a level of a topic", "leave out / + # and blanks")
