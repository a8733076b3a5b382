# SPDX-License-Identifier: MIT
# A listener, a monitor, a sandboxed child before authentication, another one after it, a command
# with socket pairs for its standard streams. sshd gives sessions an environment of their own, so
# the library is named in its configuration.
needs=(/usr/sbin/sshd ssh ssh-keygen)
packages=(openssh-server openssh-client)

prepare()
{
    local pam=no
    # Without PAM sshd lets nobody in whose password is locked.
    [[ $(getent shadow root) != root:!* ]] || pam=yes
    mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$scratch/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$scratch/user_key"
    cp "$scratch/user_key.pub" "$scratch/authorized_keys"
    {
        printf '%s\n' 'Port 8000' 'ListenAddress 127.0.0.1' 'ListenAddress ::1' "UsePAM $pam" \
            'PermitRootLogin prohibit-password' 'StrictModes no' 'LogLevel VERBOSE' \
            "PidFile none" "HostKey $scratch/host_key" \
            "AuthorizedKeysFile $scratch/authorized_keys" 'Subsystem sftp internal-sftp'
        # HOME, lest a shell reads what root has in its start-up files.
        printf 'SetEnv'
        printf ' "%s"' "HOME=$scratch" "${session_environment[@]}"
        printf '\n'
    } >"$scratch/sshd_config"
    command=(/usr/sbin/sshd -D -e -f "$scratch/sshd_config")
}

exercise()
{
    local i
    local login=(ssh -F none -p 8000 -i "$scratch/user_key" -o BatchMode=yes
                 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
                 root@127.0.0.1)
    poll port_open 8000
    for i in 1 2 3; do
        [[ $("${login[@]}" echo hello) == hello ]] || return 1
    done
    [[ $(echo hello | "${login[@]}" cat) == hello ]] || return 1
    "${login[@]}" -tt true >/dev/null || return 1
    # A key that is not known: refused, and closed before authentication.
    ! ssh -F none -p 8000 -i "$scratch/host_key" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        root@127.0.0.1 true 2>/dev/null
}
