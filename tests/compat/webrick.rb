# SPDX-License-Identifier: MIT
# WEBrick over one directory until SIGTERM. usage: webrick.rb PORT DIRECTORY
require 'webrick'

quiet = WEBrick::Log.new(File::NULL)
server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: ARGV[0].to_i,
                                 DocumentRoot: ARGV[1], Logger: quiet, AccessLog: [],
                                 RequestTimeout: 5)
trap('TERM') { server.shutdown }
system('true')
server.start
