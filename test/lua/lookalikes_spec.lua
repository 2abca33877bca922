-- lookalikes_spec.lua: which names of headers pods could take for ours.

local lookalikes = require("lookalikes")

spec("lookalikes: other spellings of ours are found", function()
  for _, name in ipairs({
    "X_Forwarded_For", "x_forwarded-proto", "X-Real_IP", "x.real.ip", "SSL_client-verify", "ssl-client_subject.dn", "X_Original_URI", "X-Forwarded_Anything",
    "X_Request_ID", "x_scheme", "X_Code",
  }) do
    assert(lookalikes.is_one(name), name)
  end
end)

spec("lookalikes: ours, which are set anyway, and others are none", function()
  for _, name in ipairs({ "X-Forwarded-For", "x-real-ip", "ssl-client-verify", "X_Under", "X_Forwarded", "My_X_Real_IP", "x__real_ip", "Host", "a_b", "" }) do
    assert(not lookalikes.is_one(name), name)
  end
end)
