// SPDX-License-Identifier: MIT
// An echo server, a thread for every connection. Before it listens it closes ten connections, each
// while another thread is blocked in a read of it. usage: java Echo PORT
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

public class Echo {
    public static void main(String[] arguments) throws Exception {
        InetAddress loopback = InetAddress.getByName("127.0.0.1");
        for (int i = 0; i < 10; i++)
            closeUnderReader(loopback);
        channels();
        new ProcessBuilder("true").start().waitFor();

        ServerSocket listener = new ServerSocket(Integer.parseInt(arguments[0]), 32, loopback);
        while (true) {
            Socket connection = listener.accept();
            Thread thread = new Thread(() -> echo(connection));
            thread.setDaemon(true);
            thread.start();
        }
    }

    private static void echo(Socket connection) {
        byte[] buffer = new byte[4096];
        try (connection) {
            InputStream in = connection.getInputStream();
            OutputStream out = connection.getOutputStream();
            for (int count; (count = in.read(buffer)) > 0;)
                out.write(buffer, 0, count);
        } catch (IOException gone) {
            // the client left with a reset
        }
    }

    /* The reader has been seen inside read() when its thread is in native code: a first byte
     * arrives, is read, and the next read cannot return before the close. */
    private static void closeUnderReader(InetAddress loopback) throws Exception {
        try (ServerSocket listener = new ServerSocket(0, 1, loopback);
             Socket client = new Socket(loopback, listener.getLocalPort());
             Socket accepted = listener.accept()) {
            InputStream in = accepted.getInputStream();
            Thread reader = new Thread(() -> {
                try {
                    while (in.read() >= 0) {
                    }
                } catch (SocketException closed) {
                    // expected: "Socket closed"
                } catch (IOException unexpected) {
                    throw new RuntimeException(unexpected);
                }
            });
            reader.start();
            client.getOutputStream().write(1);
            while (!blockedInRead(reader))
                Thread.sleep(1);
            accepted.close();
            reader.join();
        }
    }

    private static boolean blockedInRead(Thread reader) {
        for (StackTraceElement frame : reader.getStackTrace())
            if (frame.isNativeMethod() && (frame.getMethodName().equals("poll")
                    || frame.getMethodName().startsWith("read")))
                return true;
        return false;
    }

    private static void channels() throws Exception {
        try (ServerSocketChannel listener = ServerSocketChannel.open()) {
            listener.bind(null);
            int port = listener.socket().getLocalPort();
            try (SocketChannel client = SocketChannel.open(
                         new java.net.InetSocketAddress("127.0.0.1", port));
                 SocketChannel accepted = listener.accept()) {
                accepted.shutdownOutput();
            }
        }
    }
}
