// SPDX-License-Identifier: MIT
// An HTTP server that fetches from itself and runs a child once; process.exit() on SIGTERM.
// usage: server.js PORT
'use strict';
const http = require('http');
const { spawn } = require('child_process');

const port = Number(process.argv[2]);
const server = http.createServer((request, response) => {
    if (request.url === '/none') {
        response.writeHead(413, { Connection: 'close' });
        response.end('too large\n');
        return;
    }
    response.end('hello\n');
});
process.on('SIGTERM', () => process.exit(0));

const child = spawn('cat');
child.stdin.end('hello\n');
child.stdout.resume();
child.on('exit', () => server.listen(port, '127.0.0.1', () => {
    http.get({ port, host: '127.0.0.1', agent: new http.Agent({ keepAlive: true }) },
             (response) => response.resume());
}));
