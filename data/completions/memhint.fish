# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of memhint for fish. A test compares it with the command's own table of options.

# Whether the verb on the command line is one of these; without arguments, whether there is one.
function __memhint_verb
    set -l words (commandline -opc)
    test (count $words) -gt 1; or return 1
    test (count $argv) -eq 0; or contains -- $words[2] $argv
end

function __memhint_pids
    for directory in (string match -r '^/proc/\d+$' /proc/*)
        set -l name
        test -r $directory/comm; and read name <$directory/comm 2>/dev/null
        printf '%s\t%s\n' (string replace /proc/ '' $directory) $name
    end
end

function __memhint_names
    cat (string match -r '^/proc/\d+$' /proc/*)/comm 2>/dev/null | sort -u
end

function __memhint_groups
    set -l root /sys/fs/cgroup
    test -e $root/unified/cgroup.procs; and set root $root/unified
    find $root -mindepth 1 -maxdepth 4 -type d -printf '/%P\n' 2>/dev/null
end

function __memhint_units
    systemctl list-units --no-legend --plain --type=service,scope,slice 2>/dev/null | string replace -r ' .*' ''
end

# Words separated by commas: those given so far, and one more.
function __memhint_list
    set -l given (string match -r '^(?:\+|.*,)' -- (commandline -ct)); or set given ''
    printf '%s\n' $given$argv
end

function __memhint_columns
    set -l words (commandline -opc)
    switch $words[2]
        case ps
            printf '%s\n' pid id ppid user state threads size rss anon file shmem swap locked bar cpu idle \
                age cgroup exe command
        case map
            printf '%s\n' start end perms kind offset size rss swap untouched huge bar flags name
    end
end

function __memhint_kinds
    printf '%s\n' anon heap stack file shmem code
    __memhint_verb map; and echo special
end

function __memhint_advices
    printf '%s\n' cold pageout willneed collapse normal random sequential mergeable unmergeable hugepage \
        nohugepage dontdump dodump dofork keeponfork populate_read populate_write dontneed free remove \
        dontfork wipeonfork
end

function __memhint_needs_advice
    __memhint_verb advise; or return 1
    set -l words (commandline -opc)
    for word in $words[3..-1]
        contains -- $word (__memhint_advices); and return 1
    end
    return 0
end

set -l hinting advise cold pageout willneed collapse
set -l targeting ps map cookie freeze thaw $hinting

complete -c memhint -f

complete -c memhint -n 'not __memhint_verb' -a ps -d 'who holds how much memory, and who has not run for long'
complete -c memhint -n 'not __memhint_verb' -a map -d "one process's address space, and what of it is resident"
complete -c memhint -n 'not __memhint_verb' -a cold -d 'these pages are the first to go when memory gets short'
complete -c memhint -n 'not __memhint_verb' -a pageout -d 'put memory out to swap now'
complete -c memhint -n 'not __memhint_verb' -a willneed -d 'fetch memory back before it is needed'
complete -c memhint -n 'not __memhint_verb' -a collapse -d 'join small pages into huge ones'
complete -c memhint -n 'not __memhint_verb' -a advise -d 'give an advice by its name'
complete -c memhint -n 'not __memhint_verb' -a cookie -d "name the present state of a process's mappings"
complete -c memhint -n 'not __memhint_verb' -a freeze -d 'keep processes from running'
complete -c memhint -n 'not __memhint_verb' -a thaw -d 'let processes run again that freeze has left frozen'
complete -c memhint -n 'not __memhint_verb' -a doctor -d 'what this machine can do, and what mends what it cannot'
complete -c memhint -n 'not __memhint_verb' -a demo -d 'see real programs shrink, lose nothing, and answer again'

complete -c memhint -s h -l help -d 'print help'
complete -c memhint -s V -l version -d 'print the version'
complete -c memhint -n __memhint_verb -s j -l json -d 'print one JSON object instead of tables'
complete -c memhint -n __memhint_verb -s q -l quiet -d 'no warnings and no progress line'
complete -c memhint -n __memhint_verb -s v -l verbose -d 'say how it is done'

complete -c memhint -n "__memhint_verb $targeting" -s p -l pid -x -a '(__memhint_pids)' -d 'this process'
complete -c memhint -n "__memhint_verb $targeting" -s c -l comm -x -a '(__memhint_names)' -d 'processes of this name'
complete -c memhint -n "__memhint_verb $targeting" -s e -l exe -r -F -d 'processes that run this program'
complete -c memhint -n "__memhint_verb $targeting" -s g -l cgroup -x -a '(__memhint_groups)' \
    -d 'processes in this control group or below it'
complete -c memhint -n "__memhint_verb $targeting" -s u -l unit -x -a '(__memhint_units)' \
    -d 'processes of this systemd unit'
complete -c memhint -n "__memhint_verb $targeting" -s U -l user -x -a '(__fish_complete_users)' \
    -d 'processes of this user'
complete -c memhint -n "__memhint_verb $targeting" -s C -l children -d 'and all their descendants'

complete -c memhint -n '__memhint_verb ps' -s a -l all -d 'kernel threads and zombies too'
complete -c memhint -n '__memhint_verb ps map' -s s -l sort -x -d 'by this column' \
    -a '(__memhint_columns; __memhint_columns | string replace -r ^ -)'
complete -c memhint -n '__memhint_verb ps map' -s o -l columns -x -a '(__memhint_list (__memhint_columns))' \
    -d 'these columns'
complete -c memhint -n '__memhint_verb ps' -s n -l limit -x -d 'no more than the first so many'
complete -c memhint -n '__memhint_verb ps map' -s b -l bytes -d 'exact sizes'

complete -c memhint -n "__memhint_verb map $hinting" -s O -l only -x -a '(__memhint_list (__memhint_kinds))' \
    -d 'these kinds of mappings'
complete -c memhint -n "__memhint_verb map $hinting" -s m -l mapping -x -d 'mappings whose name matches'
complete -c memhint -n "__memhint_verb map $hinting" -s f -l flags \
    -d 'find out which mappings are locked or droppable'

complete -c memhint -n "__memhint_verb $hinting" -s r -l range -x -d 'only from address A up to B'
complete -c memhint -n "__memhint_verb $hinting" -s M -l min-size -x -a '64K 1M 64M 1G' \
    -d 'only mappings of at least this size'
complete -c memhint -n "__memhint_verb $hinting" -s x -l exact -d 'look at every page first'
complete -c memhint -n "__memhint_verb $hinting" -s B -l max-bytes -x -a '64K 1M 64M 1G' -d 'no more than this'
complete -c memhint -n "__memhint_verb $hinting" -s R -l rate -x -a '1M 64M 1G' -d 'no more than this a second'
complete -c memhint -n "__memhint_verb $hinting" -s P -l pace -x -a 'auto none 500us 2ms' \
    -d 'how a process that runs is kept from stalling'
complete -c memhint -n "__memhint_verb $hinting" -s T -l timeout -x -a '500ms 1s 10s 1m' -d 'stop after so long'
complete -c memhint -n "__memhint_verb $hinting" -s F -l swap-floor -x -a '0% 5% 10%' \
    -d 'pageout: refuse below so much free swap'
complete -c memhint -n "__memhint_verb $hinting" -l force \
    -d 'pageout: whatever swap is free; guard freeze: also PID 1 and ancestors'
complete -c memhint -n "__memhint_verb $hinting" -s n -l dry-run -d 'do all but give the advice'

complete -c memhint -n "__memhint_verb $hinting" -s G -l guard -x -a 'none follow cookie freeze' \
    -d 'what if it changes its mappings meanwhile'
complete -c memhint -n "__memhint_verb $hinting" -l cookie -x -d 'only if it is in this state'
complete -c memhint -n "__memhint_verb $hinting" -l via -x -a 'auto kernel inject' -d 'who makes the call'
complete -c memhint -n "__memhint_verb $hinting" -l destructive -d 'data of the process may be destroyed'

complete -c memhint -n '__memhint_verb cookie' -s k -l check -x -d 'compare with this'

complete -c memhint -n '__memhint_verb freeze' -s w -l way -x -a 'auto trace cgroup signal' -d 'how'
complete -c memhint -n '__memhint_verb freeze' -s H -l hold -d 'only until Ctrl-C'
complete -c memhint -n '__memhint_verb freeze' -s f -l for -x -a '500ms 1s 10s 1m' -d 'only for so long'
complete -c memhint -n '__memhint_verb freeze' -s T -l timeout -x -a '500ms 1s 10s 1m' -d 'how long it may take'
complete -c memhint -n '__memhint_verb freeze' -l force -d 'also PID 1 and ancestors'

complete -c memhint -n '__memhint_verb thaw' -s a -l all -d 'all that freeze has left frozen'
complete -c memhint -n '__memhint_verb thaw' -s r -l recover -d 'what programs that were killed have left frozen'
complete -c memhint -n '__memhint_verb thaw' -s l -l list -d 'show what is frozen'

complete -c memhint -n '__memhint_verb demo' -l keys -x -d 'keys that Redis holds'
complete -c memhint -n '__memhint_verb demo' -l megabytes -x -d 'size of the data of Python and of Node.js'
complete -c memhint -n '__memhint_verb demo' -l swap -x -a 'auto zram file' -d 'which swap'

complete -c memhint -n __memhint_needs_advice -a '(__memhint_advices)'
complete -c memhint -n "__memhint_verb ps map cookie freeze thaw cold pageout willneed collapse" -a '(__memhint_pids)'
complete -c memhint -n '__memhint_verb advise; and not __memhint_needs_advice' -a '(__memhint_pids)'
