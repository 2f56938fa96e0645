//! A request's task, run in place by whoever waits for its answer, and on its own from the moment
//! that nobody does.
//!
//! It is never cut off between spending and settling, as a task of its own would not be; but while
//! its client waits it costs no second task, and no wake-up from one to the other.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TrackedFuture;

/// Resolves to what the task tells; dropped before the task has ended, it lets the task go on.
pub(crate) struct InPlace<F: Future<Output = ()> + Send + 'static, T> {
    /// None when it has ended.
    task: Option<Pin<Box<TrackedFuture<F>>>>,
    /// Closed, for the task to see, before the task goes on alone.
    answer: Option<oneshot::Receiver<T>>,
}

impl<F: Future<Output = ()> + Send + 'static, T> InPlace<F, T> {
    /// A task that tells its answer to the other end of `answer`, tracked until its end.
    pub(crate) fn new(task: F, answer: oneshot::Receiver<T>, tracker: &TaskTracker) -> Self {
        InPlace {
            task: Some(Box::pin(tracker.track_future(task))),
            answer: Some(answer),
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static, T> Future for InPlace<F, T> {
    /// None if the task ended without telling anything: it panicked.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(task) = &mut self.task {
            // A bug in one request must not end the connection, with the other requests on it.
            let polled: Result<Poll<()>, Box<dyn Any + Send>> =
                catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
            if !matches!(polled, Ok(Poll::Pending)) {
                self.task = None;
            }
        }
        match &mut self.answer {
            Some(answer) => Pin::new(answer).poll(context).map(Result::ok),
            None => Poll::Ready(None),
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static, T> Drop for InPlace<F, T> {
    fn drop(&mut self) {
        drop(self.answer.take());
        // Outside of a runtime everything is ending; whatever is undecided is settled by rule when
        // the next process starts.
        if let (Some(task), Ok(runtime)) = (self.task.take(), Handle::try_current()) {
            runtime.spawn(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_task_runs_while_its_answer_is_awaited() {
        let tracker = TaskTracker::new();
        let (tell, answer) = oneshot::channel();
        let task = async move {
            tokio::task::yield_now().await;
            tell.send(7).expect("somebody waits");
        };
        let in_place = InPlace::new(task, answer, &tracker);
        assert_eq!(in_place.await, Some(7));
        assert!(tracker.is_empty(), "it has ended");
    }

    #[tokio::test]
    async fn it_goes_on_alone_after_its_answer() {
        let tracker = TaskTracker::new();
        let (tell, answer) = oneshot::channel();
        let (rest, mut later) = mpsc::channel(1);
        let task = async move {
            tell.send(7).expect("somebody waits");
            tokio::task::yield_now().await;
            rest.send("and more").await.expect("somebody listens");
        };
        assert_eq!(InPlace::new(task, answer, &tracker).await, Some(7));
        assert_eq!(later.recv().await, Some("and more"));
        tracker.close();
        tracker.wait().await;
    }

    #[tokio::test]
    async fn it_goes_on_alone_when_nobody_waits_any_more() {
        let tracker = TaskTracker::new();
        let (mut tell, answer) = oneshot::channel::<()>();
        let (rest, mut later) = mpsc::channel(1);
        let task = async move {
            tell.closed().await;
            rest.send("settled").await.expect("somebody listens");
        };
        let in_place = InPlace::new(task, answer, &tracker);
        let left = tokio::time::timeout(Duration::from_millis(1), in_place).await;
        assert!(left.is_err(), "nothing is told");
        assert_eq!(later.recv().await, Some("settled"));
        tracker.close();
        tracker.wait().await;
    }

    #[tokio::test]
    async fn a_task_that_never_began_begins() {
        let tracker = TaskTracker::new();
        let (tell, answer) = oneshot::channel::<()>();
        let (rest, mut later) = mpsc::channel(1);
        let task = async move {
            assert!(tell.is_closed(), "the client has left");
            rest.send("settled").await.expect("somebody listens");
        };
        drop(InPlace::new(task, answer, &tracker));
        assert_eq!(later.recv().await, Some("settled"));
    }

    #[tokio::test]
    async fn one_that_breaks_answers_nothing_and_breaks_nothing() {
        let tracker = TaskTracker::new();
        let (tell, answer) = oneshot::channel::<()>();
        let task = async move {
            let _tell = tell;
            tokio::task::yield_now().await;
            panic!("a bug");
        };
        assert_eq!(InPlace::new(task, answer, &tracker).await, None);
        assert!(tracker.is_empty());
    }
}
