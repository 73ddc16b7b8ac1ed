/* notify.h - tell the service manager how we are: the sd_notify(3) datagram,
 * without libsystemd.  Where NOTIFY_SOCKET is not set nothing is done; a datagram
 * that cannot be sent is passed over, since nobody else is waiting for it.
 */
#ifndef KEP_NOTIFY_H
#define KEP_NOTIFY_H

/* Sockets are bound, work can come. */
void notify_ready(void);
/* The clean end has begun. */
void notify_stopping(void);
/* One line of words for systemctl status; cut after 200 octets. */
void notify_status(const char *words);

#endif
