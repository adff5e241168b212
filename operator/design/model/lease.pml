/* The lease, the promises of peers, and the takeover (design note 0003), small enough to be searched through.
 *
 * Member 0 runs a service that others may take over once its lease has run out; 1 to N-1 are its peers. Every request, answer and letter
 * may be lost, or arrive after any time; the DC sees a renewal at any time after it was sent. Time is discrete; what must be done before
 * a moment holds time back until it is done. Where the model is simpler than the code it allows more: a renewal that counts once counts
 * for ever, and an answer is judged as if it had arrived at once.
 *
 * Claim: whenever the DC takes over, member 0 has stopped. Each -D below takes one rule away, and spin finds the way to two copies:
 *   NO_MARK        a renewal carries no mark while a promise of its sender is in force
 *   NO_PLAIN_CHECK a promise is accepted whenever its giver last renewed without a mark
 *   NO_CHALLENGE   a renewal counts though it was not sent after a challenge
 *   FROM_ANSWER    the lease is counted from when the answer came, not from before the renewal was sent
 *   NO_EXPIRY      a promise counts after its end
 *   NO_QUORUM      the DC takes over with any one behind it
 */
#ifndef N
#define N 3
#endif
#ifndef T
#define T 11                /* the search ends then: beyond a lease and the end of a promise */
#endif
#ifndef RENEWS
#define RENEWS true         /* false: member 0 is cut off from the beginning on; far fewer states */
#endif
#define L 4                 /* lease duration */
#define LEAD 1              /* L/4: the others are challenged when so much of the lease is left */
#define P 6                 /* a promise lasts 1.5 L */
#define NEEDED (N / 2)      /* peers whose promises, with oneself, are more than half */
#define QUORATE(alive) (2 * (alive) > N || (N % 2 == 0 && 2 * (alive) == N))
#ifdef NO_EXPIRY
#define STANDS(end) ((end) > 0)
#else
#define STANDS(end) ((end) > now + 1)
#endif
#ifdef NO_CHALLENGE
#define ANSWERS(one) true
#else
#define ANSWERS(one) (challenge > 0 && carries[one] >= challenge)
#endif
#ifdef NO_PLAIN_CHECK
#define ACCEPTED(when) true
#else
#define ACCEPTED(when) ((when) < acked + L - LEAD)
#endif
#ifdef NO_MARK
#define MARKED(one) false
#else
#define MARKED(one) (promised[one] > now)
#endif
#ifdef FROM_ANSWER
#define COUNTED_FROM now
#else
#define COUNTED_FROM sent
#endif

byte now;
bool runs = true;           /* the truth about member 0 */
bool taken;                 /* the DC has taken over */

/* Member 0's keeper: the last acknowledged renewal was sent at `acked`. Another is on its way, sent at `sent`. */
byte acked;
bool flies; byte sent; bool seen;
bool again;                 /* one later renewal is acknowledged at most: after it all begins again */
bool owed;                  /* acknowledged, and the DC has not seen it; any read will show it */
byte until[N];              /* the promise of each peer, as member 0 counts it; 0: none */

/* Peers' keepers */
byte promised[N];           /* until when each must not count */
byte plain[N];              /* when each last sent a renewal without a mark */
byte known[N];              /* the beat that each has read in its plan */
bool out[N]; byte carries[N]; bool bare[N];          /* a renewal on its way, its beat, and that it has no mark */
byte answer[N]; byte answer_plain[N];                /* a promise on its way: its end, and its giver's last plain renewal */

/* The DC */
byte since;                 /* when it last saw member 0 renew */
byte beats; byte challenge; /* challenges so far; the one that stands, 0: none */
bool behind[N];             /* peers that answered it, without a mark */

active [N] proctype Keeper() {
    byte me = _pid;
    do
    :: atomic { me == 0 && RENEWS && runs && !taken && !again && !flies && now > acked -> flies = true; sent = now; seen = false }
    :: atomic { me == 0 && runs && !taken && !again && flies && now < acked + L ->           /* acknowledged */
        again = true; owed = !seen; acked = COUNTED_FROM; flies = false; sent = 0; seen = false;
        until[1] = 0; answer[1] = 0; answer_plain[1] = 0;
#if N > 2
        until[2] = 0; answer[2] = 0; answer_plain[2] = 0;
#endif
#if N > 3
        until[3] = 0; answer[3] = 0; answer_plain[3] = 0;
#endif
        }
    :: atomic { me > 0 && !taken && known[me] < beats -> known[me] = beats }                /* reads its plan */
    :: atomic { me > 0 && !taken && now < T && known[me] > 0 && !out[me] && !behind[me] ->   /* sends; one before is lost */
        out[me] = true; carries[me] = known[me]; bare[me] = !MARKED(me);
        if :: bare[me] -> plain[me] = now :: else fi }
    :: atomic { me > 0 && out[me] -> out[me] = false; carries[me] = 0; bare[me] = false }
    :: atomic { me > 0 && !taken && runs && now < T && now > acked && answer[me] == 0 ->     /* asked: it promises */
        promised[me] = now + P; answer[me] = now + P; answer_plain[me] = plain[me] }
    :: atomic { me > 0 && !taken && answer[me] > 0 && runs && ACCEPTED(answer_plain[me]) ->  /* the answer arrives */
        until[me] = answer[me]; answer[me] = 0; answer_plain[me] = 0 }
    :: atomic { me > 0 && answer[me] > 0 -> answer[me] = 0; answer_plain[me] = 0 }           /* or is lost */
    :: now >= T || taken -> break
    od
}

active proctype DC() {
    byte votes;
    do
    :: atomic { !taken && ((flies && !seen) || owed) ->                /* sees member 0 renew: the challenge is void */
        if :: owed -> owed = false :: else -> seen = true fi;
        since = now; challenge = 0; behind[1] = false;
#if N > 2
        behind[2] = false;
#endif
#if N > 3
        behind[3] = false;
#endif
        }
    :: atomic { !taken && !owed && challenge == 0 && beats < 2 && now - since >= L - LEAD -> beats++; challenge = beats }
    :: atomic { !taken && out[1] && bare[1] && ANSWERS(1) -> behind[1] = true; out[1] = false; carries[1] = 0; bare[1] = false }
#if N > 2
    :: atomic { !taken && out[2] && bare[2] && ANSWERS(2) -> behind[2] = true; out[2] = false; carries[2] = 0; bare[2] = false }
#endif
#if N > 3
    :: atomic { !taken && out[3] && bare[3] && ANSWERS(3) -> behind[3] = true; out[3] = false; carries[3] = 0; bare[3] = false }
#endif
    :: atomic { !taken && !owed && challenge > 0 && now - since >= L ->  /* a read after the expiry shows nothing new */
        votes = behind[1];
#if N > 2
        votes = votes + behind[2];
#endif
#if N > 3
        votes = votes + behind[3];
#endif
        if
#ifdef NO_QUORUM
        :: votes > 0 -> taken = true; assert(!runs)
#else
        :: QUORATE(votes) -> taken = true; assert(!runs)
#endif
        :: else
        fi;
        votes = 0 }
    :: now >= T || taken -> break
    od
}

/* Time goes on; a service whose time would run out with this step is stopped before. */
active proctype Clock() {
    byte i; byte kept;
    do
    :: atomic { now < T && !taken ->
        if
        :: runs && now + 1 >= acked + L ->
            i = 1;
            do
            :: i < N -> if :: STANDS(until[i]) -> kept++ :: else fi; i++
            :: else -> break
            od;
            if :: kept < NEEDED -> runs = false :: else fi
        :: else
        fi;
        kept = 0; now++; i = 1;
        do
        :: i < N -> if :: promised[i] <= now -> promised[i] = 0 :: else fi; i++
        :: else -> break
        od;
        i = 0 }
    :: now >= T || taken -> break
    od
}
