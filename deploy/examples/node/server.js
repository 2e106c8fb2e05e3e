// SPDX-License-Identifier: Apache-2.0
// A web app on Node's own http module: an answer in JSON, and a stream of server-sent events on /events.
"use strict";
const http = require("node:http");

const port = Number(process.env.PORT || 8000);
const streams = new Set();

const server = http.createServer((request, response) => {
  const path = request.url.split("?")[0];
  if (path === "/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    let beat = 0;
    const send = () => response.write(`data: beat ${++beat}\n\n`);
    send();
    const timer = setInterval(send, 1000);
    streams.add(response);
    response.on("close", () => {
      clearInterval(timer);
      streams.delete(response);
    });
  } else if (path === "/") {
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({
      hello: "from Node " + process.version,
      release: process.env.PAAS_RELEASE,
      instance: process.env.PAAS_INSTANCE,
    }) + "\n");
  } else {
    response.writeHead(404, { "Content-Type": "text/plain" });
    response.end("there is nothing here; try / or /events\n");
  }
});

server.listen(port, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${port}`));

process.on("SIGTERM", () => {
  console.log("asked to stop");
  server.close(() => process.exit(0));
  streams.forEach((response) => response.end());
  server.closeIdleConnections();
});
