// stream.js chooses where NGINX passes streams on to: connections of TCP, datagrams of UDP and TLS that ends at pods. It keeps the
// endpoints that streams.lua tells, in the zone sluice_streams.
//
// NGINX takes a variable for one address, and then has no other to try if that refuses. For a name it tries all of its addresses,
// in an order of its own. So a target is a name that NGINX asks the server below for, which knows nothing but endpoints. The name
// has the generation of the entry, so that an answer that NGINX keeps is never out of date.
//
// It never decides who has endpoints, and answers nobody but this NGINX.

const MOST_ADDRESSES = 200; // in an answer: NGINX reads 4,096 bytes
const TTL = 10; // seconds
const NOBODY = 'nobody'; // the upstream block without servers

function zone() { return ngx.shared.sluice_streams; }

// What is stored for a backend: the generation, then port and number of addresses by turns. The addresses of a port stand
// under addressKey.
function addressKey(backend, port) { return backend + ' ' + port; }

// choose gives what proxy_pass takes for a backend. Without an entry NGINX is on its own: it has the endpoints of the
// upstream block.
function choose(backend) {
  for (let tries = 0; tries < 3; tries++) {
    const stored = zone().get(backend);
    if (stored === undefined) return backend.replaceAll('/', '_');
    const words = stored.split(' '), port = portOf(words);
    if (port === undefined) return NOBODY;
    // Another worker may be storing a change: addresses come before the entry and go after it, so their number is not the
    // entry's then, and if there are none the entry is a former one.
    const addresses = zone().get(addressKey(backend, port));
    if (addresses === undefined) continue;
    return (addresses.includes(' ') ? nameOf(backend, port, words[0]) : literal(addresses)) + ':' + port;
  }
  return NOBODY;
}

// portOf draws a port of an entry, as often as it has addresses.
function portOf(words) {
  let count = 0;
  for (let i = 2; i < words.length; i += 2) count += Number(words[i]);
  if (count === 0) return undefined;
  let at = Math.floor(Math.random() * count), i = 1;
  while (at >= Number(words[i + 1])) {
    at -= Number(words[i + 1]);
    i += 2;
  }
  return words[i];
}

function literal(address) { return address.includes(':') ? '[' + address + ']' : address; }

function target(s) { return choose(s.variables.stream_backend); }

function passthroughTarget(s) { return choose(s.variables.passthrough_backend); }

// A backend is called PROTOCOL/NAMESPACE_SERVICE_PORT, and none of these has a dot, a slash or an underscore.

function nameOf(backend, port, generation) {
  return [generation, port].concat(backend.split(/[/_]/).reverse()).join('.');
}

// addressesOf gives the addresses that a name stands for.
function addressesOf(name) {
  const labels = name.split('.');
  if (labels.length !== 6) return [];
  const stored = zone().get(addressKey(labels[5] + '/' + labels[4] + '_' + labels[3] + '_' + labels[2], labels[1]));
  return stored ? stored.split(' ') : [];
}

// some takes so many of a list, from a random one on.
function some(list, most) {
  if (list.length <= most) return list;
  const from = Math.floor(Math.random() * list.length);
  return list.concat(list).slice(from, from + most);
}

// bytes4 and bytes6 give the bytes of an address as Go's net/netip writes it.

function bytes4(address) { return address.split('.').map(Number); }

function groups6(text) { return text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)); }

function bytes6(address) {
  const halves = address.split('::');
  const head = groups6(halves[0]), tail = halves.length > 1 ? groups6(halves[1]) : [];
  while (head.length + tail.length < 8) head.push(0);
  const out = [];
  head.concat(tail).forEach((group) => out.push(group >> 8, group & 255));
  return out;
}

const A = 1, AAAA = 28;

// reply gives the answer to a question of DNS (RFC 1035 section 4), as long as it is one.
function reply(question) {
  const labels = [];
  let end = 12;
  while (end < question.length && question[end] !== 0) {
    labels.push(question.toString('utf8', end + 1, end + 1 + question[end]));
    end += question[end] + 1;
  }
  end += 5;
  if (end > question.length) return Buffer.alloc(0);
  const kind = question.readUInt16BE(end - 4);
  let found = [];
  if (kind === A || kind === AAAA) found = addressesOf(labels.join('.').toLowerCase()).filter((a) => a.includes(':') === (kind === AAAA));
  found = some(found, kind === A ? MOST_ADDRESSES : MOST_ADDRESSES / 2);
  const size = kind === A ? 4 : 16, out = Buffer.alloc(end + found.length * (12 + size));
  question.copy(out, 0, 0, end);
  out.writeUInt16BE(0x8400, 2); // an authoritative answer
  out.writeUInt16BE(found.length, 6);
  out.writeUInt32BE(0, 8);
  found.forEach((address) => {
    out.writeUInt16BE(0xc00c, end); // the name of the question
    out.writeUInt16BE(kind, end + 2);
    out.writeUInt16BE(1, end + 4);
    out.writeUInt32BE(TTL, end + 6);
    out.writeUInt16BE(size, end + 10);
    Buffer.from(kind === A ? bytes4(address) : bytes6(address)).copy(out, end + 12);
    end += 12 + size;
  });
  return out;
}

// resolve answers NGINX's resolver.
function resolve(s) {
  s.on('upstream', (question) => {
    s.off('upstream');
    s.variables.stream_answer = reply(question);
    s.done();
  });
}

// store keeps what streams.lua says of a backend, unless something newer is there.
function store(update) {
  const stored = zone().get(update.backend);
  const before = stored === undefined ? [] : stored.split(' ');
  if (before.length > 0 && Number(before[0]) > update.generation) return;
  const lists = {};
  const endpoints = Array.isArray(update.endpoints) ? update.endpoints : []; // Lua writes an empty list as an object
  endpoints.forEach((e) => { lists[e.port] = (lists[e.port] || []).concat(e.address); });
  // Addresses come before the entry that leads to them.
  const ports = Object.keys(lists);
  ports.forEach((port) => zone().set(addressKey(update.backend, port), lists[port].join(' ')));
  if (update.gone) {
    zone().delete(update.backend);
  } else {
    zone().set(update.backend, ports.reduce((text, port) => text + ' ' + port + ' ' + lists[port].length, String(update.generation)));
  }
  for (let i = 1; i < before.length; i += 2) {
    if (!lists[before[i]]) zone().delete(addressKey(update.backend, before[i]));
  }
}

// control takes a document, which is a line, on the socket that only workers reach.
function control(s) {
  s.on('upload', (text) => {
    const end = text.indexOf('\n');
    if (end < 0) return;
    s.off('upload');
    try {
      store(JSON.parse(text.slice(0, end)));
      s.variables.stream_answer = 'ok\n';
    } catch (e) {
      s.variables.stream_answer = 'cannot be stored: ' + e.message + '\n';
    }
    s.done();
  });
}

export default { control, passthroughTarget, resolve, target };
