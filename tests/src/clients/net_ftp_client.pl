# What Net::FTP can do, with the files of the current directory.
#
#     net_ftp_client.pl host port [explicit|implicit version authority]

use strict;
use warnings;
use Net::FTP;

my ($host, $port, $tls, $version, $authority) = @ARGV;

sub connected {
    my ($passive) = @_;
    my @arguments = (Port => $port, Passive => $passive, Timeout => 20);
    if ($tls) {
        push @arguments, SSL => $tls eq "implicit", SSL_ca_file => $authority,
            SSL_version => $version;
    }
    my $ftp = Net::FTP->new($host, @arguments) or die "cannot connect: $@";
    if ($tls && $tls eq "explicit") {
        $ftp->starttls or die "cannot begin TLS: " . $ftp->message;
    }
    $ftp->login("user", "12345") or die $ftp->message;
    $ftp->binary or die $ftp->message;
    return $ftp;
}

sub content {
    my ($name) = @_;
    open(my $file, "<:raw", $name) or die "$name: $!";
    local $/;
    my $content = <$file>;
    return $content // "";
}

for my $passive (1, 0) {
    my $ftp = connected($passive);
    my $say = sub { die "$_[0]: " . $ftp->message };
    my @files = grep { -f } glob("*.bin *.txt");
    for my $name (@files) {
        defined $ftp->put($name) or $say->("STOR $name");
        $ftp->get($name, "../back") or $say->("RETR $name");
        content("../back") eq content($name) or die "$name is another one";
        $ftp->size($name) == -s $name or $say->("SIZE $name");
    }
    my $name = "plain.txt";
    unlink("../part");
    $ftp->get($name, "../part", 5000) or $say->("RETR $name");
    content("../part") eq substr(content($name), 5000) or die "the end of $name is another one";
    $ftp->append($name) or $say->("APPE $name");
    $ftp->size($name) == 2 * -s $name or $say->("SIZE $name");
    my @found = sort grep { /\./ } $ftp->ls;
    "@found" eq join(" ", sort @files) or die "NLST has @found";
    $ftp->mkdir("/a/b/c", 1) or $say->("MKD");
    $ftp->rename($name, "/a/b/c/other") or $say->("RNTO");
    $ftp->cwd("/a/b") or $say->("CWD");
    $ftp->pwd eq "/a/b" or $say->("PWD");
    grep { / c$/ } $ftp->dir or die "LIST has no c";
    $ftp->cwd("/") or $say->("CWD");
    $ftp->rmdir("/a", 1) or $say->("RMD");
    for my $gone (@files) {
        $gone eq $name or $ftp->delete($gone) or $say->("DELE $gone");
    }
    $ftp->quit or $say->("QUIT");
}
