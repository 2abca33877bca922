package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"

	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// outcome is what became of one review.
type outcome struct {
	ingress  cluster.Name
	result   string
	verdict  admission.Verdict
	planning time.Duration
	err      error // why it was not answered

	uid string
}

// failure is an error with the status that tells of it.
type failure struct {
	status int
	error
}

func failed(result string, status int, format string, args ...any) outcome {
	return outcome{result: result, err: failure{status, fmt.Errorf(format, args...)}}
}

func malformed(format string, args ...any) outcome {
	return failed(Malformed, http.StatusBadRequest, format, args...)
}

// ServeHTTP answers one review. The path is not looked at, as in ingress-nginx.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), patience(r))
	defer cancel()
	o := s.answer(ctx, w, r)
	s.options.Observer.Reviewed(o.ingress, o.result, o.verdict, o.planning, time.Since(start))
	var not failure
	switch {
	case errors.As(o.err, &not):
		s.options.Log.Warn("an admission review was not answered", "ingress", o.ingress, "error", o.err)
		if not.status == http.StatusTooManyRequests || not.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1") // the API server does, as long as it has time
		}
		http.Error(w, not.Error(), not.status)
		return
	case o.result == Refused:
		s.options.Log.Info("refused an Ingress", "ingress", o.ingress, "because", refusal(o.verdict))
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(response(o)); err != nil {
		s.options.Log.Debug("the answer to an admission review was not sent", "error", err)
	}
}

// patience is how long the API server will wait: it says so in its query.
func patience(r *http.Request) time.Duration {
	asked, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || asked <= 0 {
		return longestReview
	}
	return min(asked, longestReview)
}

// answer does everything but writing the answer.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) outcome {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		return failed(Malformed, http.StatusMethodNotAllowed, "reviews are posted")
	case err != nil || kind != "application/json":
		return failed(Malformed, http.StatusUnsupportedMediaType, "reviews are application/json")
	case r.ContentLength > longestBody:
		return tooLarge()
	}
	room := int64(longestBody)
	if r.ContentLength >= 0 {
		room = max(r.ContentLength, leastRoom)
	}
	if err := s.room.Acquire(ctx, room); err != nil {
		return failed(Busy, http.StatusTooManyRequests, "too many reviews at once")
	}
	free := func() { s.room.Release(room) }
	// Whoever does not send what he announced has to make room for others.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(longestRead)) // a recorder of tests has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
	_ = connection.SetReadDeadline(time.Time{})
	if err != nil {
		free()
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			return tooLarge()
		}
		return malformed("the review cannot be read: %w", err)
	}
	return s.within(ctx, body, free)
}

func tooLarge() outcome {
	return failed(Malformed, http.StatusRequestEntityTooLarge, "a review has at most %d MiB", longestBody>>20)
}

// within reviews in a goroutine of its own: nothing can interrupt a plan, but nobody has to wait for it. A panic, which
// some object of somebody's might set off, ends with this review.
func (s *Server) within(ctx context.Context, body []byte, free func()) outcome {
	done := make(chan outcome, 1)
	go func() {
		defer free()
		defer func() {
			if r := recover(); r != nil {
				s.options.Log.Error("a review made the planner fail", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				done <- failed(Failed, http.StatusInternalServerError, "the review cannot be judged")
			}
		}()
		done <- s.review(ctx, body)
	}()
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
		return failed(Failed, http.StatusServiceUnavailable, "the review takes too long")
	}
}

// review reads a review and judges it.
func (s *Server) review(ctx context.Context, body []byte) outcome {
	var review admissionv1.AdmissionReview
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &review); err != nil {
		return malformed("the review cannot be decoded: %w", err)
	}
	request := review.Request
	switch {
	case review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Kind != "AdmissionReview" || request == nil || request.UID == "":
		return malformed("this is no request of %s", admissionv1.SchemeGroupVersion)
	case request.Resource != metav1.GroupVersionResource(networkingv1.SchemeGroupVersion.WithResource("ingresses")):
		return malformed("only Ingresses of %s are reviewed", networkingv1.SchemeGroupVersion)
	}
	o := outcome{result: Foreign, uid: string(request.UID)}
	if request.SubResource != "" || request.Operation != admissionv1.Create && request.Operation != admissionv1.Update {
		return o
	}
	asked := admission.Review{New: new(networkingv1.Ingress)}
	if err := decode(request, request.Object.Raw, asked.New); err != nil {
		return malformed("the Ingress cannot be decoded: %w", err)
	}
	if asked.New.DeletionTimestamp != nil {
		return o // what is left to do is to remove finalizers
	}
	if request.Operation == admissionv1.Update {
		asked.Old = new(networkingv1.Ingress)
		if err := decode(request, request.OldObject.Raw, asked.Old); err != nil {
			return malformed("the former version of the Ingress cannot be decoded: %w", err)
		}
	}
	o.ingress = cluster.NameOf(asked.New)
	return s.judge(ctx, o, asked)
}

// decode reads one version of the Ingress. Its names are checked: they get into logs and metrics.
func decode(request *admissionv1.AdmissionRequest, text []byte, ing *networkingv1.Ingress) error {
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, ing); err != nil {
		return err
	}
	ing.Namespace, ing.Name = cmp.Or(ing.Namespace, request.Namespace), cmp.Or(ing.Name, request.Name)
	if len(validation.IsDNS1123Label(ing.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(ing.Name)) > 0 {
		return errors.New("its name or namespace is none")
	}
	return nil
}

// judge fetches what the judgement needs and judges.
func (s *Server) judge(ctx context.Context, o outcome, asked admission.Review) outcome {
	if err := s.options.Source.Ready(); err != nil {
		return failed(Failed, http.StatusServiceUnavailable, "the cluster is not known yet: %w", err)
	}
	plan := s.options.Plan()
	snapshot, err := s.options.Source.SnapshotFor(ctx, asked.New)
	if err != nil {
		return failed(Failed, http.StatusServiceUnavailable, "%w", err)
	}
	snapshot.Fallback = s.options.Good()
	start := time.Now()
	asked.Neighbours = s.around(snapshot, plan.Translate.Prefix(), asked)
	o.verdict = admission.Judge(plan, snapshot, asked)
	o.planning = time.Since(start)
	switch {
	case len(o.verdict.Refusals) > 0:
		o.result = Refused
	case o.verdict.Claimed:
		o.result = Allowed
	}
	return o
}

func (s *Server) around(snapshot cluster.Snapshot, prefix string, asked admission.Review) []*networkingv1.Ingress {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.Follow(snapshot, prefix)
	if asked.Old == nil {
		return s.index.Around(asked.New)
	}
	return s.index.Around(asked.New, asked.Old)
}
