// What FTPSClient of commons-net can do, with the files of the current directory.
//
//     java -cp commons-net.jar commons_net_client.java host port explicit|implicit version authority

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;

class Client {
    static FTPClient ftp;

    static void check(boolean is, String what) {
        if (!is) {
            throw new AssertionError(what + ": " + ftp.getReplyString());
        }
    }

    static SSLContext context(String authority) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (FileInputStream file = new FileInputStream(authority)) {
            trusted.setCertificateEntry(
                    "authority", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory factory =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    static byte[] fetch(String name) throws Exception {
        ByteArrayOutputStream sink = new ByteArrayOutputStream();
        check(ftp.retrieveFile(name, sink), "RETR " + name);
        return sink.toByteArray();
    }

    static void talk(boolean passive) throws Exception {
        if (passive) {
            ftp.enterLocalPassiveMode();
        } else {
            ftp.enterLocalActiveMode();
        }
        File[] files = new File(".").listFiles(File::isFile);
        for (File file : files) {
            String name = file.getName();
            byte[] content = Files.readAllBytes(file.toPath());
            check(ftp.storeFile(name, new ByteArrayInputStream(content)), "STOR " + name);
            check(Arrays.equals(fetch(name), content), name + " is another one");
            int half = content.length / 2;
            byte[] end = Arrays.copyOfRange(content, half, content.length);
            ftp.setRestartOffset(half);
            check(Arrays.equals(fetch(name), end), "the end of " + name + " is another one");
            ftp.setRestartOffset(half);
            check(ftp.storeFile(name, new ByteArrayInputStream(end)), "STOR " + name);
            check(ftp.appendFile(name, new ByteArrayInputStream(end)), "APPE " + name);
            check(fetch(name).length == content.length + end.length, name + " is not longer");
        }
        check(ftp.listNames().length == files.length, "NLST");
        for (FTPFile[] list : new FTPFile[][] {ftp.listFiles(), ftp.mlistDir()}) {
            long found = Arrays.stream(list).filter(FTPFile::isFile).count();
            check(found == files.length, "a listing has " + found);
        }
        for (File file : files) {
            check(ftp.rename(file.getName(), "renamed"), "RNTO");
            check(ftp.deleteFile("renamed"), "DELE");
        }
        check(ftp.listNames().length == 0, "NLST of nothing");
    }

    public static void main(String[] words) throws Exception {
        if (words.length > 2) {
            FTPSClient secure = new FTPSClient(words[2].equals("implicit"), context(words[4]));
            secure.setEnabledProtocols(new String[] {words[3]});
            secure.setEndpointCheckingEnabled(true);
            ftp = secure;
        } else {
            ftp = new FTPClient();
        }
        ftp.setControlEncoding("UTF-8");
        ftp.connect(words[0], Integer.parseInt(words[1]));
        if (ftp instanceof FTPSClient) {
            ((FTPSClient) ftp).execPBSZ(0);
            ((FTPSClient) ftp).execPROT("P");
        }
        check(ftp.login("user", "12345"), "PASS");
        check(ftp.setFileType(FTP.BINARY_FILE_TYPE), "TYPE I");
        talk(true);
        talk(false);
        check(ftp.logout(), "QUIT");
        ftp.disconnect();
    }
}
